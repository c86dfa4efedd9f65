"""The driver for OpenAI-compatible gateways: models, chat, files, batches. The rest is lacking.

It speaks to OpenAI itself and to whatever imitates it (LiteLLM, vLLM, others): same paths, same
shapes, unknown fields ignored. How they differ is data (`Quirks`), never a name in an `if`.
Sources: https://platform.openai.com/docs/api-reference (models, chat, embeddings, files, batch).
"""

# ruff: noqa: D102  (what each method promises is said once, in `port`)
from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import quote, urlencode

import msgspec

from nexctl.errors import NexctlError, UsageError
from nexctl.gateways import refused
from nexctl.gateways.client import (
    LARGEST_DOWNLOAD,
    MOST_PAGES,
    UPLOAD_SECONDS,
    AnyStruct,
    Events,
    decoded,
    form_of,
    no_gateway,
)
from nexctl.gateways.lacking import Absent, Lacking
from nexctl.safety import http
from nexctl.safety.http import Call, NetworkError, Reply
from nexctl.wire import base, heard

if TYPE_CHECKING:
    from nexctl.gateways import port
    from nexctl.gateways.client import GatewayClient
    from nexctl.wire import batches, chat, counts, embeddings, files, models
    from nexctl.wire.me import Health, Me


PAGE = 100
# The longest silence in a download.
DOWNLOAD_SECONDS = 120


class Quirks(NamedTuple):
    """How one kind of OpenAI-compatible gateway differs from OpenAI, as data.

    `idempotent`: whether a create with an Idempotency-Key is done once (else nothing that may have
    reached it is sent again). `stray_fields`: fields of a request that only nexctl gateways know.
    """

    idempotent: bool = False
    stray_fields: tuple[str, ...] = ("request_id",)


QUIRKS = {"openai": Quirks()}


class OpenAIClient:
    """Makes calls on OpenAI's paths and decodes what comes."""

    def __init__(self, client: GatewayClient, quirks: Quirks) -> None:
        self.http: http.Client = client.http
        self.name = client.name
        self.contract = client
        self.quirks = quirks

    def get(
        self, body: type[AnyStruct], path: str, query: dict[str, Any] | None = None
    ) -> AnyStruct:
        """Read one answer."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self.decoded(body, self.sent(Call("GET", target, repeatable=True)))

    def post(
        self, body: type[AnyStruct], path: str, value: Any, *, key: str | None = None
    ) -> AnyStruct:
        """Make one write. It is made again only where the gateway does the same key once."""
        headers = {"idempotency-key": key} if key is not None else {}
        raw = base.encode(value) if value is not None else b""
        again = key is not None and self.quirks.idempotent
        return self.decoded(body, self.sent(Call("POST", path, headers, raw, again)))

    def sent(self, call: Call) -> Reply:
        """An answer below 400. Refused where the gateway says no."""
        reply = self.http.send(call)
        if reply.status >= 400:
            raise refused.refusal(reply, self.name, self.http.known, calls_only=True)
        return reply

    def decoded(self, body: type[AnyStruct], reply: Reply) -> AnyStruct:
        """The answer as a type; NetworkError where it is none."""
        return decoded(body, reply.read(), self.no_gateway)

    def no_gateway(self, why: str) -> NetworkError:
        """The error of an answer that no such gateway gives."""
        says = f"{self.name} does not answer as an OpenAI-compatible gateway does"
        return no_gateway(says, why)

    def every(self, page: type[Any], path: str, query: dict[str, Any], *, of: str) -> Iterator[Any]:
        """Every item of a list, page by page, by the id of the last one. Lacking without a list."""
        last: str | None = None
        for _ in range(MOST_PAGES):
            asked = {**query, "after": last} if last is not None else query
            try:
                found = self.get(page, path, asked)
            except refused.Refused as error:
                if last is None and error.status in (404, 405, 501):
                    raise Lacking(self.name, f"a list of {of}") from error
                raise
            yield from found.data
            if not found.has_more or not found.data:
                return
            if found.data[-1].id == last:
                raise self.no_gateway("its list comes back to where it was")
            last = found.data[-1].id
        raise self.no_gateway("its list does not end")


def _segment(value: str) -> str:
    if not value or value in (".", "..") or "/" in value or len(value) > 1024:
        raise UsageError(f"{value[:40]!r} is not an id", code="bad_id", hint="check the id")
    return quote(value, safe="")


class Models:
    """`/v1/models`."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client

    def list(self) -> Iterator[models.Model]:
        try:
            yield from heard.models(self._client.get(heard.Listed, "/v1/models"))
        except ValueError as error:
            raise self._client.no_gateway(f"its list has {error}") from None

    def show(self, model_id: str) -> models.Model:
        """One of the list: some gateways serve no single model, and ids may hold slashes."""
        for model in self.list():
            if model.id == model_id:
                return model
        raise NexctlError(
            f"{self._client.name} serves no model {model_id!r} to this key",
            hint=refused.HINTS["model_not_found"],
            code="model_not_found",
            exit=2,
        )


class Chat:
    """Inference. Nothing that may have reached the gateway is sent again: it would be billed."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client
        self.once = "request_id" not in client.quirks.stray_fields

    def complete(self, request: chat.ChatRequest) -> chat.Completion:
        from nexctl.wire.chat import Completion

        raw = base.encode(self._plain(request))
        said = self._said(self._client.sent(Call("POST", "/v1/chat/completions", body=raw)))
        return Completion(
            **_outline(said, "chat.completion"), choices=heard.choices(said), **_counted(said)
        )

    def stream(self, request: chat.ChatRequest) -> port.Stream:
        raw = base.encode({**self._plain(request), "stream": True})
        call = Call("POST", "/v1/chat/completions", body=raw, stream=True)
        reply = self._client.sent(call)
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        pieces = _Pieces()
        if kind == "application/json":
            # It was asked to stream and does not: the answer is there, and it is billed.
            return _Single(pieces.chunk(self._said(reply, self._client.http.seconds)))
        if kind != "text/event-stream":
            reply.close()
            raise self._client.no_gateway(f"it answered {kind[:60] or 'nothing'}, not a stream")
        client = self._client.contract
        return Events(client, reply, lambda data: pieces.chunk(heard.read(data)), pieces.ended)

    def _said(
        self,
        reply: Reply,
        seconds: float | None = None,  # not money: seconds
    ) -> heard.Said:
        """A whole answer, within `seconds` where its pieces alone are timed.

        Refused where it holds an error instead, whatever its status.
        """
        reply.read(seconds=seconds)
        said = self._client.decoded(heard.Said, reply)
        if said.error is not None:
            client = self._client
            known = client.http.known
            raise refused.refusal_of(
                reply.read(), 0, reply.headers, client.name, known, calls_only=True
            )
        if said.choices is None:
            raise self._client.no_gateway("its answer has no choices")
        return said

    def embed(self, request: embeddings.EmbeddingsRequest) -> embeddings.Embeddings:
        from nexctl.wire.embeddings import Embeddings

        return self._client.post(Embeddings, "/v1/embeddings", self._plain(request))

    def tokenize(self, request: counts.TokenizeRequest) -> counts.Tokenized:
        raise Lacking(self._client.name, "counting", hint="nexctl tokenize counts offline")

    def estimate(self, request: counts.EstimateRequest) -> counts.Estimate:
        raise Lacking(self._client.name, "quotes", hint="nexctl estimate quotes offline")

    def _plain(self, request: msgspec.Struct) -> dict[str, Any]:
        given: dict[str, Any] = base.plain(request)
        for name in self._client.quirks.stray_fields:
            given.pop(name, None)
        return given


class _Pieces:
    """The chunks of one stream, as the contract has them."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        self._finished = False

    def chunk(self, said: heard.Said) -> chat.Chunk:
        """One of them."""
        from nexctl.wire.chat import Chunk

        choices = heard.changes(said, self._calls)
        self._finished = self._finished or any(choice.finish_reason for choice in choices)
        return Chunk(**_outline(said, "chat.completion.chunk"), choices=choices, **_counted(said))

    def ended(self) -> bool:
        """Whether the answer is whole: some servers leave the last line of a stream out."""
        return self._finished


class _Single:
    """A stream of one chunk."""

    def __init__(self, chunk: chat.Chunk) -> None:
        self._chunk = chunk

    def __iter__(self) -> Iterator[chat.Chunk]:
        yield self._chunk

    def close(self) -> None:
        pass


def _outline(said: heard.Said, kind: str) -> dict[str, Any]:
    """What stands around an answer, and charges nothing."""
    return {
        "id": heard.text(said.id),
        "object": kind,
        "created": heard.number(said.created) or 0,
        "model": heard.text(said.model),
    }


def _counted(said: heard.Said) -> dict[str, Any]:
    """What it counted and charged, where it says so in the contract's words."""
    return {"usage": heard.usage(said.usage), "nex": heard.nex(said.nex)}


class Files:
    """`/v1/files`."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client

    def upload(
        self, path: str, *, name: str | None = None, keep_seconds: int | None = None
    ) -> files.File:
        from nexctl.wire.files import File

        fields = {"purpose": "batch"}
        if keep_seconds is not None:
            fields["expires_after[anchor]"] = "created_at"
            fields["expires_after[seconds]"] = str(keep_seconds)
        upload, kind = form_of(path, name or os.path.basename(path), fields)
        # An upload that was made twice costs nothing: the other one is never used.
        call = Call(
            "POST",
            "/v1/files",
            {"content-type": kind, "accept": "application/json"},
            repeatable=True,
            seconds=UPLOAD_SECONDS,
            upload=upload,
        )
        return self._client.decoded(File, self._client.sent(call))

    def list(self, query: files.FileQuery | None = None) -> Iterator[files.File]:
        from nexctl.wire.files import FilePage

        asked = {"purpose": "batch", "limit": PAGE, **(base.plain(query) if query else {})}
        return self._client.every(FilePage, "/v1/files", asked, of="files")

    def show(self, file_id: str) -> files.File:
        from nexctl.wire.files import File

        return self._client.get(File, f"/v1/files/{_segment(file_id)}")

    def content(self, file_id: str) -> Iterator[bytes]:
        target = f"/v1/files/{_segment(file_id)}/content"
        call = Call(
            "GET",
            target,
            {"accept": "*/*"},
            repeatable=True,
            stream=True,
            limit=LARGEST_DOWNLOAD,
            seconds=DOWNLOAD_SECONDS,
        )
        return self._client.sent(call).pieces()

    def remove(self, file_id: str) -> files.FileDeleted:
        from nexctl.wire.files import FileDeleted

        target = f"/v1/files/{_segment(file_id)}"
        reply = self._client.sent(Call("DELETE", target, repeatable=True))
        return self._client.decoded(FileDeleted, reply)


class Batches:
    """`/v1/batches`. `idempotent`: whether a create under the same key is done once."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client
        self.idempotent = client.quirks.idempotent

    def create(
        self, wanted: batches.BatchCreate, *, idempotency_key: str | None = None
    ) -> batches.Batch:
        from nexctl.wire.batches import Batch

        if wanted.items is not None:
            raise Lacking(self._client.name, "batches of inline items")
        # OpenAI wants the window spelled out.
        value = {"completion_window": wanted.completion_window, **base.plain(wanted)}
        return self._client.post(Batch, "/v1/batches", value, key=idempotency_key)

    def list(self, query: batches.BatchQuery | None = None) -> Iterator[batches.Batch]:
        from nexctl.wire.batches import BatchPage

        asked = {"limit": PAGE, **(base.plain(query) if query else {})}
        return self._client.every(BatchPage, "/v1/batches", asked, of="batches")

    def show(self, batch_id: str, *, wait: int | None = None) -> batches.Batch:
        """One batch; these gateways answer at once, whatever `wait` says."""
        from nexctl.wire.batches import Batch

        return self._client.get(Batch, f"/v1/batches/{_segment(batch_id)}")

    def cancel(self, batch_id: str) -> batches.Batch:
        from nexctl.wire.batches import Batch

        call = Call("POST", f"/v1/batches/{_segment(batch_id)}/cancel", repeatable=True)
        return self._client.decoded(Batch, self._client.sent(call))

    def results(self, batch_id: str) -> Iterator[bytes]:
        raise Lacking(
            self._client.name, "results in one list", hint="its two files hold them: batches.show"
        )


class OpenAIGateway:
    """An OpenAI-compatible gateway."""

    def __init__(self, client: GatewayClient, quirks: Quirks) -> None:
        self.name = client.name
        self._client = OpenAIClient(client, quirks)

    def __getattr__(self, noun: str) -> Any:
        if noun not in LACKED:
            raise AttributeError(noun)
        return Absent(self.name, LACKED[noun])

    @cached_property
    def models(self) -> Models:
        return Models(self._client)

    @cached_property
    def chat(self) -> Chat:
        return Chat(self._client)

    @cached_property
    def files(self) -> Files:
        return Files(self._client)

    @cached_property
    def batches(self) -> Batches:
        return Batches(self._client)

    def me(self) -> Me:
        """That the key is taken, proven by a list of models. Whose it is, nobody says: empty."""
        from nexctl.wire.me import KeyFacts, Me

        next(iter(self.models.list()), None)
        key = KeyFacts(id="", kind="key", prefix="")
        return Me(gateway=self.name, key=key, features=list(OFFERED))

    def health(self) -> Health:
        self._lacks("a health page")

    def close(self) -> None:
        self._client.http.close()

    def _lacks(self, what: str) -> NoReturn:
        raise Lacking(self.name, what)


OFFERED = ("models", "chat", "embeddings", "files", "batches")
# What OpenAI's interface has no endpoint for: every other noun of the port.
LACKED = {
    "keys": "keys",
    "budgets": "budgets",
    "wallet": "a wallet",
    "topups": "top-ups",
    "usage": "usage records",
    "prices": "prices",
    "customers": "customers",
    "payments": "payments",
    "providers": "providers",
    "codes": "codes",
    "routing": "routes of its own",
    "provider_keys": "keys of providers",
    "funding": "plans, wallets, grants and auto top-up",
    "papers": "invoices and statements",
    "orgs": "organisations",
    "alerts": "alerts",
    "webhook_endpoints": "webhooks",
    "audit_log": "an audit log",
    "operators": "operators",
    "customer_keys": "the keys of customers",
    "customer_rules": "customers",
    "operator_endpoints": "webhooks",
    "deliveries": "webhooks",
    "operator_audit": "an audit log",
    "editions": "an operator's prices, costs and margins",
}


def made(client: GatewayClient, driver: str) -> OpenAIGateway:
    """The gateway of a driver's name."""
    return OpenAIGateway(client, QUIRKS[driver])
