"""The operators that rewritten code calls, all in one object.

Each does what Python does where everything is known, and stages where it is not. What they do
stands in the other modules of this folder, one subject in each; here they are put together.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from fxexport.capture.operators.arithmetic import Arithmetic
from fxexport.capture.operators.attributes import Attributes
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.comparisons import Comparisons
from fxexport.capture.operators.comprehensions import Comprehensions
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.dict_methods import DictMethods
from fxexport.capture.operators.dynamic_iterables import Generated
from fxexport.capture.operators.iteration import Iteration
from fxexport.capture.operators.logic import Logic
from fxexport.capture.operators.lookups import Lookups
from fxexport.capture.operators.loop_statements import LoopStatements
from fxexport.capture.operators.number_lists import NumberLists
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.operators.starred_calls import StarredCalls
from fxexport.capture.operators.subscripts import Subscripts
from fxexport.capture.operators.variables import cells_of, read, slots_of
from fxexport.capture.operators.while_statements import WhileStatements
from fxexport.capture.python.converter import Converter, Entering, ReplacementFor
from fxexport.capture.recording.types import Function
from fxexport.capture.session.new_objects import note_parts_if_new
from fxexport.capture.session.session import Session
from fxexport.capture.staging.alternatives import each_alternative
from fxexport.capture.staging.raise_sites import raise_where
from fxexport.capture.values.functions import Invocation, note_function, note_variables
from fxexport.capture.values.identity import keep_apart
from fxexport.capture.values.maybe import force
from fxexport.capture.values.set_methods import SetMethods
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import settled
from fxexport.errors import UnsupportedError

# Packages beside the standard library whose classes go through the lists that they are given.
_GOING_THROUGH = frozenset({"numpy", "torch"})

__all__ = ["Operators"]


class Operators:
    """The object that rewritten code knows as ``_fx_``.

    Attributes:
        session: the capture.
        convert: what a callable becomes in rewritten code.
        with_certain: one call for each case of arguments that may be there or not.
        repeat_for: a for loop over variables that the caller names.
        repeat_while: a while loop over such.
        lists: what lists of varying length do.
        dicts: what the methods of dicts do.
        iteration: what is iterated over, and how.
        lookups: makes text, and finds by a key that only the run knows.
        membership: what looks for an item.

    The other attributes are the operators, by the names that rewritten code calls them by.
    """

    def __init__(
        self,
        session: Session,
        entering: Entering,
        replacements: Callable[[Operators], ReplacementFor],
    ) -> None:
        """Puts the operators of one capture together.

        Args:
            session: the capture.
            entering: is entered around the call of a module.
            replacements: makes the finder of functions to call instead of others, which may use
                the operators.
        """
        self.session = session
        converter = Converter(self, entering, session.unread_functions, going_on=session.going_on)
        conditionals = Conditionals(session)
        calls = Calls(session, converter, conditionals)
        session.own_truth = calls.own_truth
        session.each = functools.partial(each_alternative, session)
        attributes = Attributes(session, conditionals, calls)
        self.lists = OpenLists(session, conditionals, calls)
        self.lookups = Lookups(session, conditionals)
        subscripts = Subscripts(session, conditionals, calls, self.lists, self.lookups)
        self.number_lists = NumberLists(session, self.lists, calls, subscripts.get_item)
        self.iteration = Iteration(session, calls, self.lists, conditionals.truth)
        self.sets = SetMethods(session, self.iteration.iterate)
        self.dicts = DictMethods(session, conditionals, subscripts, self.iteration, self.lookups)
        logic = Logic(session)
        arithmetic = Arithmetic(session, calls, self.iteration, self.lookups)
        session.operand = arithmetic.number
        comparisons = Comparisons(session, conditionals, calls, logic, arithmetic, self.lookups)
        loops = LoopStatements(session, logic, self.iteration)
        whiles = WhileStatements(session, logic)
        comprehensions = Comprehensions(session, conditionals, self.iteration, loops)

        self.convert = converter.callable_for
        self.converter = converter
        self.with_certain = calls.with_certain
        self.repeat_for = loops.repeat_for
        self.repeat_while = whiles.repeat_while

        # Decisions
        self.if_stmt = conditionals.if_stmt
        self.if_return = conditionals.if_return
        self.if_exp = conditionals.if_exp
        self.truth = conditionals.truth
        self.match_subject = conditionals.match_subject
        self.assert_stmt = conditionals.assert_stmt
        self.try_stmt, self.trying = conditionals.try_stmt, conditionals.trying
        session.raise_where = functools.partial(raise_where, session)
        self.raising, self.handled = conditionals.raising, sys.exception
        self.and_, self.or_, self.not_ = logic.and_, logic.or_, logic.not_
        self.and_value, self.or_value = logic.and_value, logic.or_value
        self.as_bool = logic.as_bool
        # Comparisons and arithmetic
        self.eq, self.ne = comparisons.eq, comparisons.ne
        self.is_, self.is_not = comparisons.is_, comparisons.is_not
        self.membership = comparisons.membership
        self.contains, self.lacks = self.membership.contains, self.membership.lacks
        self.chain, self.order = comparisons.chain, comparisons.order
        self.number, self.as_int = arithmetic.number, arithmetic.as_int
        self.bitwise = arithmetic.bitwise
        self.add, self.multiply = arithmetic.add, arithmetic.multiply
        self.augment = arithmetic.augment
        self.binary, self.unary = arithmetic.binary, arithmetic.unary
        # Loops
        self.for_stmt, self.while_stmt = loops.for_stmt, whiles.while_stmt
        self.iterate, self.generator = self.iteration.iterate, self.iteration.generator
        self.generated = lambda *forms: session.journal.made(Generated(*forms))
        self.managing = lambda *forms: session.journal.made(Generated(*forms, managing=True))
        self.unpack = self.iteration.unpack
        self.listed = self.starred = self.iteration.listed
        self.list_comp = comprehensions.list_comp
        self.comp_for, self.comp_if = comprehensions.comp_for, comprehensions.comp_if
        self.comp_add = comprehensions.comp_add
        # Calls, attributes and subscripts
        self.call, self.call_with_keys = calls.call, calls.call_with_keys
        self.call_with_stars = StarredCalls(session, calls, self.lists).call
        self.context, self.with_stmt = calls.context, calls.with_stmt
        self.get_attr, self.set_attr = attributes.get_attr, attributes.set_attr
        self.del_attr = attributes.del_attr
        self.get_item, self.set_item = subscripts.get_item, subscripts.set_item
        self.del_item = subscripts.del_item
        # Values
        self.read = read
        self.text, self.formatted = self.lookups.text, self.lookups.formatted
        self.percent = self.lookups.percent
        self.refusal, self.refused = UnsupportedError, session.collect
        self.slice = slice
        self.keys_given = force
        # Last, since what it makes uses all of these.
        self._replacement_for = replacements(self)

    def replacement_for(self, function: object) -> Function | None:
        """What to call instead of a function that is not rewritten; None for nothing else."""
        return self._replacement_for(function)

    def entered(self, reader: FunctionType, rebound: tuple[str, ...]) -> Invocation:
        """A function begins: the branches and loops around its call do not merge its variables.

        Args:
            reader: its closure holds the variables.
            rebound: the names of those that functions inside of it bind anew.

        Returns:
            What the function has to hold as long as it runs.
        """
        cells = cells_of(reader)
        for cell in cells.values():
            self.session.journal.made_cell(cell)
        self.session.tries.note_cells(cells_of(reader))
        invocation = Invocation()
        note_variables(cells.items(), invocation, rebound)
        return invocation

    def noting(self, noted: tuple[str, ...]) -> Function:
        """A decorator for a function that the program makes.

        Args:
            noted: the variables that it may see and that a call has noted (`entered`).
        """

        def note(function: FunctionType) -> FunctionType:
            note_function(function, noted)
            return self.session.journal.made(function)

        return note

    def outer_writes(self, reader: FunctionType, globals_: tuple[str, ...]) -> None:
        """Variables of enclosing functions, and globals, that the function called now may bind."""
        names = tuple(name for name in cells_of(reader) if name != "_fx_")
        for slot in slots_of((reader,), names, globals_):
            self.session.journal.touch(slot)

    def fresh(self, value: Any) -> Any:
        """Notes that an object is new: a display, or what a constructor gave."""
        if isinstance(value, (set, dict)):
            for key in value:
                refuse_open_text(key)
        if isinstance(value, (set, dict)) and len(value) > 1:
            seen: list[object] = []
            for key in value:
                keep_apart(self.session, key, seen)
                seen.append(key)
        self.session.journal.made(value)
        note_parts_if_new(self.session.journal, value)
        return value

    def new_keywords(self, keywords: dict[str, object]) -> None:
        """Notes the dict of a ``**keywords`` parameter, which Python makes at each call."""
        self.session.journal.made(keywords)

    def constructed(self, cls: type, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """A call of a class that is not rewritten; one of Python's goes through lists by itself."""
        package = cls.__module__.split(".")[0]
        if package in _GOING_THROUGH or package in sys.stdlib_module_names:
            args = tuple(self.lists.closed(value) for value in args)
            kwargs = {name: self.lists.closed(value) for name, value in kwargs.items()}
        return self.with_certain(cls, args, kwargs)

    def mapping(self, value: object) -> object:
        """``**value`` in a dict."""
        return settled(self.session.each(value, force))
