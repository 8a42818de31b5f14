"""Price files against the real breaker: what trips, for how long, and what stays possible.

`sources` reads files into prints of one to three venues, `setup` makes the market and its accounts,
`replay` runs it print by print, `judge` says which trips were false and how long the breaker took,
`results` keeps what happened, `show` and `picture` tell it, `study` compares bands over many files.
"""
