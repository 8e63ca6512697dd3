"""Requests and their answers follow from the classes."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from zisk_actors.wire import client_link, operating
from zisk_actors.wire.client_link import ClientSays, GatewaySays
from zisk_actors.wire.requests import Reply, Request, answer_of, below


def test_each_request_can_be_said_and_has_an_answer_that_can_be_given():
    for request in below(Request):
        assert request in get_args(ClientSays)
        answer = answer_of(request)
        assert issubclass(answer, Reply), request
        assert answer in get_args(GatewaySays), request


def test_each_reply_answers_something():
    answers = {answer_of(request) for request in below(Request)}
    assert set(below(Reply)) - answers == {client_link.ErrorReply}


def test_the_number_comes_first_on_the_wire():
    for kind in (*below(Request), *below(Reply)):
        assert msgspec.structs.fields(kind)[0].name == "request"
        assert msgspec.structs.fields(kind)[0].required


@pytest.mark.parametrize("module", [client_link, operating])
def test_nothing_that_is_defined_for_this_link_is_left_out(module: object):
    said = {*get_args(ClientSays), *get_args(GatewaySays)}
    defined = {
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__struct_config__.tag_field
        and value.__module__ == vars(module)["__name__"]
    }
    assert defined - said <= {operating.LogLevel}, "the one that a worker is told"
