"""A property that is computed when it is first asked for, and kept."""

from __future__ import annotations


class once:
    """As `functools.cached_property`, but without its lock.

    Until Python 3.12 that property locks its class while it computes. Replicas trace in threads that wait for each
    other inside of what is computed, so they would wait for ever.

    Example:
        >>> class Drawn:
        ...     @once
        ...     def number(self):
        ...         print("computed")
        ...         return 3
        >>> drawn = Drawn()
        >>> drawn.number + drawn.number
        computed
        6
    """

    def __init__(self, compute):
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.compute(instance)
        return value
