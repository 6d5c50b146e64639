"""Sizes that change inside ifs and loops, as a fixed capacity and a count.

The machinery of the pass `give_capacity`, which says what it is for. A tensor with such a size is
`Open` there: a tensor as large as it can become (its *capacity*), of which only the first `count`
elements along the open dimension are valid. What lies beyond is arbitrary, but never counts:
what folds a dimension (a sum, a product of matrices) fills it first.
"""
