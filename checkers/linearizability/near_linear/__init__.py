"""Special cases that need no search: histories whose own values say in which order things happened.

A version, an offset or a value that was written only once ties each reading to the operation that it saw. Then the
order is known, or nearly, and only real time is left to check, in time linear after sorting. Each checker takes one
part's operations and gives a `PartOutcome`: valid because an order was constructed, invalid with the operations that
contradict each other, or None where the history does not decide (two operations wrote the same value, say) and the
search must.
"""
