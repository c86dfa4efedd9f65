"""A streamed answer. A pump reads the provider and settles, whether or not the caller listens.

The pump is a task of its own, so that a caller who goes away leaves the bill behind: what the
provider still sends is drained within a bound and charged by its usage, else input and delivered
output are charged as counted here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.server.http import Streamed
from nexctl.server.inference import holding
from nexctl.server.inference.chat import reached, texts_of
from nexctl.server.inference.voices import CHAT
from nexctl.server.providers.port import Fault
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.inference.chat import Job
    from nexctl.server.inference.voices import Voice
    from nexctl.server.providers.switchboard import Line
    from nexctl.wire.chat import Chunk

WAITING = 256
_END = None


async def streamed(job: Job, voice: Voice = CHAT) -> Streamed:
    """Begin a stream. Refused like a whole answer as long as no piece has come."""

    async def begin(line: Line) -> tuple[AsyncIterator[Chunk], Chunk]:
        chunks = line.provider.stream(job.work(line))
        try:
            return chunks, await anext(chunks)
        except StopAsyncIteration:
            raise Fault("upstream_error", "an empty stream") from None

    line, (chunks, first) = await reached(job, begin)
    pump = Pump(job, line, chunks, first, voice)
    return Streamed(pump.pieces(), headers=holding.rate_headers(job.held))


class Pump:
    """Reads one provider's stream to its end, settles, and hands pieces to whoever listens."""

    def __init__(
        self, job: Job, line: Line, chunks: AsyncIterator[Chunk], first: Chunk, voice: Voice = CHAT
    ) -> None:
        self.job, self.line = job, line
        self._teller = voice.teller(job, first)
        self._chunks, self._first = chunks, first
        self._first_ns = time.monotonic_ns()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._texts: dict[int, list[str]] = {}
        self._said: Any = None
        self._last: Chunk | None = None
        self._plain = True
        self._answered = False
        self._listening = self._reading = True
        house = job.call.house
        self._task = asyncio.ensure_future(self._run())
        house.pumps.add(self._task)
        self._task.add_done_callback(house.pumps.discard)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Events for the caller. Closing it, or the caller's going away, leaves the pump alone."""
        watcher = asyncio.ensure_future(self._watch())
        try:
            while True:
                piece = await self._queue.get()
                if piece is _END:
                    return
                yield piece
        finally:
            watcher.cancel()
            self._leave()

    async def _watch(self) -> None:
        """Wait until the caller goes away."""
        receive = self.job.call.request.receive
        while (await receive())["type"] != "http.disconnect":
            pass
        self._leave()
        # Whoever reads the pieces is told that there are no more.
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_END)

    def _leave(self) -> None:
        """The caller is gone: what still comes is drained, but not for ever."""
        if not self._listening:
            return
        self._listening = False
        if not self._task.done():
            # A pump that waits for room in the queue may go on.
            while not self._queue.empty():
                self._queue.get_nowait()
            seconds = self.job.call.house.options.draining_seconds
            asyncio.get_running_loop().call_later(seconds, self._stop)

    def _stop(self) -> None:
        if self._reading:
            self._task.cancel()

    # ---------------------------------------------------------------- the pump itself

    async def _run(self) -> None:
        status, fault = "ok", None
        try:
            await self._take(self._first)
            async for chunk in self._chunks:
                await self._take(chunk)
            if not self._answered:
                raise Fault("upstream_error", "a stream without an answer")
        except Fault as error:
            status, fault = "partial", error
            self.job.call.house.alarm(f"provider {self.line.provider.id}: {error.why}")
        except asyncio.CancelledError:
            status = "partial"
        except Exception as error:  # noqa: BLE001 - whatever fails, the hold has an end
            status, fault = "partial", Fault("internal_error", type(error).__name__)
            self.job.call.house.alarm(
                f"request {self.job.held.request_id}: its stream failed: {fault.why}"
            )
        finally:
            self._reading = False
            close = getattr(self._chunks, "aclose", None)
            if close is not None:
                closing = asyncio.ensure_future(close())
                await asyncio.wait((closing,), timeout=1)
        try:
            await self._end(status, fault)
        except Exception as error:  # noqa: BLE001 - told to the caller, kept by the ledger
            await self._tell_error(error)
        await self._put(_END)

    async def _take(self, chunk: Chunk) -> None:
        more = False
        for choice in chunk.choices:
            delta = choice.delta
            if delta.tool_calls or delta.function_call or delta.refusal or delta.reasoning_content:
                self._plain = False
            if choice.finish_reason not in (None, "stop"):
                self._plain = False
            texts = texts_of(delta)
            if texts:
                more = True
                self._texts.setdefault(choice.index, []).extend(texts)
        if chunk.usage is not None:
            # Told once, at the end, when it has been checked: a piece carries nobody's word.
            self._said, chunk.usage = chunk.usage, None
        elif more:
            # What was counted before is not the whole.
            self._said = None
        if not chunk.choices:
            return
        self._answered = True
        if self._last is not None:
            await self._put(self._teller.piece(self._last))
            self._last = None
        if any(choice.finish_reason is not None for choice in chunk.choices):
            # Kept back: the last piece carries what the answer was charged.
            self._last = chunk
            return
        if self._listening:
            await self._put(self._teller.piece(chunk))

    async def _end(self, status: str, fault: Fault | None) -> None:
        job = self.job
        texts = ["".join(parts) for parts in self._texts.values()]
        if fault is not None and not texts and (self._said is None or self._last is None):
            # Nothing usable came: neither a text nor the end of an answer that has none.
            await holding.release(job.call, job.held, fault.code)
            raise Refuse(fault.code)
        found = job.check(self._said, texts)
        settled = await holding.settle(
            job.call,
            job.held,
            job.target,
            job.priced,
            found,
            provider=self.line.provider.id,
            status=status,
            first_ns=self._first_ns,
            more=job.more,
        )
        if status == "ok" and job.keep is not None and self._plain and self._last is not None:
            parts = ["".join(self._texts.get(index, ())) for index in range(job.answers)]
            await job.keep.keep_texts(parts, found)
        nex = job.nex(settled, found, status, self.line.provider.id)
        await self._put(self._teller.end(self._last, found.shown, nex, fault is None))
        if fault is not None:
            raise Refuse(fault.code, "the provider broke off; what was delivered is billed")

    async def _tell_error(self, error: Exception) -> None:
        """An error inside a stream is an event, for the status is already sent."""
        from nexctl.server.app import refusal_of

        house = self.job.call.house
        refuse = refusal_of(house, error)
        if not isinstance(error, Refuse | NexctlError):
            house.alarm(f"request {self.job.held.request_id}: the stream's end failed")
        _, _, body = house.words.envelope(refuse, self.job.call.trace_id)
        await self._put(self._teller.error(body))

    async def _put(self, piece: bytes | None) -> None:
        """Hand a piece to who listens; one that tells nothing is none."""
        if self._listening and piece != b"":
            await self._queue.put(piece)
        elif piece is _END and self._queue.empty():
            self._queue.put_nowait(piece)
