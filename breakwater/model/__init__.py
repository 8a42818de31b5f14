"""The protocol's formulae in exact integers and fractions, without an EVM.

Written from DESIGN.md (sections 3 and 4) and from the headers of the contracts. Pure functions:
amounts in token units, prices in WAD per whole token, values in WAD, parameters in basis points.

    margin        values, initial margin, leverage cap, health, ramps
    liquidation   terms of a liquidation, standard and under water
    average       moving average, volatility, status of a price, jumps, fading
    interest      growth of the debt index, shares and assets
"""
