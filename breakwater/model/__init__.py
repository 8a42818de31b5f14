"""The protocol in exact integers, without an EVM: what every call must do, by the specification.

A chain of models answers calls as the contracts do: returned value, reason of a refusal, events in
order, and every word of storage. `breakwater.fuzz.compare` holds the two against each other.

    chain         state, calls, locks and undoing, on which all models stand
    engine        accounts, liquidations, batches; operators: who may act for an account
    vault, fund   lending and its insurance; shares: their price
    risk          margin, liquidation terms, prices; oracle: from a source to a price; feeds,
                  market_feeds: of aggregators and rates; of pools, publishers, one by another
    breaker, configurator, timelock, latch, lens, owned
    tokens, aggregators, pools, mocks, calls    what exists for tests only
    protocol      the models of a whole market

Pure formulae, in token units, WAD per whole token, WAD of value, and basis points:

    margin        values, initial margin, leverage cap, health, ramps
    liquidation   terms of a liquidation, standard and under water
    average       moving average, volatility, status of a price, jumps, fading
    interest      growth of the debt index, shares and assets
"""
