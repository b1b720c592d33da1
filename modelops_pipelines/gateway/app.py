"""The gateway's ASGI application: predictions on the hot path, other routes in FastAPI, start-up and shutdown."""

import logging
import re
import secrets
import socket
from typing import Any

from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.access.limiter import Limiter
from modelops_pipelines.gateway.access.origins import Origins
from modelops_pipelines.gateway.bodies.headers import read_call
from modelops_pipelines.gateway.hot_path.answers import error_answer
from modelops_pipelines.gateway.hot_path.asgi import send_answer, serve_prediction
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.hot_path.explanations import KnownReferences
from modelops_pipelines.gateway.hot_path.predict import Predictor
from modelops_pipelines.gateway.json_logging import log_as_json
from modelops_pipelines.gateway.pages.all_pages import Captured, add_pages
from modelops_pipelines.gateway.routes.application import make_application
from modelops_pipelines.gateway.routes.foreign_log import ForeignLog
from modelops_pipelines.gateway.routes.health import WATCH_SECONDS, Health
from modelops_pipelines.gateway.routes.improve.responses import Responses
from modelops_pipelines.gateway.supervision.board import Board
from modelops_pipelines.gateway.supervision.supervisor import Place
from modelops_pipelines.gateway.worker.alerting.delivery import Delivery
from modelops_pipelines.gateway.worker.alerting.lineage import TURN_SECONDS as LINEAGE_SECONDS
from modelops_pipelines.gateway.worker.alerting.lineage import Lineage
from modelops_pipelines.gateway.worker.alerting.watches import Watches
from modelops_pipelines.gateway.worker.ended_workers import cause_of, describe_left, ends_file
from modelops_pipelines.gateway.worker.request_marks import RequestMarks, left_behind
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.gateway.worker.worker_slot import claim_slot
from modelops_pipelines.operations.alerting.delivery.deliver import TURN_SECONDS
from modelops_pipelines.operations.governance.identity_provider import identity_provider
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.gateway")
_PREDICTION = re.compile(r"/(?:endpoints/([^/]+)/(invocations|infer)|v2/models/([^/]+)/infer)")


class Gateway:
    """One worker: an ASGI application with its own serving state and spool."""

    def __init__(self, stores: Stores, place: Place, board: Board) -> None:
        """Read the endpoints and prepare the spool; ``start`` loads the models.

        ``board`` says how many workers serve. Raises BusyError while another process has the place's slot.
        """
        settings = stores.settings
        claim_slot(settings.home / "locks", settings.gateway_port, place.slot)
        worker = f"{socket.gethostname()[:40]}-{place.number}-{secrets.token_hex(4)}"
        log_as_json(worker)
        secret = stores.database.secret()
        provider = identity_provider(settings)
        stores.sessions.follow_mapping(None if provider is None else provider.mapping, stores.now())
        keyring = Keyring(never_open=provider is not None)
        self.serving = Serving(stores, keyring, worker)
        self._origins = Origins(keyring, settings.host, settings.allowed_hosts)
        self._capture = Capture(settings.spool, worker, settings.seal_after_seconds)
        self._limiter = Limiter(place.number, settings.workers, settings.global_limit, settings.limits_url)
        references = KnownReferences(stores)
        self._predictor = Predictor(self.serving, keyring, self._limiter, self._capture, secret, references)
        self._health = Health(stores, self.serving, self._capture, board)
        self._delivery = Delivery(stores)
        self._lineage = Lineage(stores)
        self._watches = Watches(stores, self.serving)
        self._marks = settings.home / "locks" / f"requests.{settings.gateway_port}.{place.slot}"
        self._ends = ends_file(settings)
        responses = Responses(self._capture, secret)
        foreign = ForeignLog(self._capture, secret, stores)
        self._routes = make_application(stores, self.serving, keyring, responses, foreign, self._health)
        add_pages(self._routes, stores, self.serving, keyring, Captured(self._predictor, responses), provider)

    def start(self) -> None:
        """Load what is to be served and follow the state; raises ModelOpsError when that cannot begin."""
        self.serving.start()
        self.serving.repeat("watch", self._health.watch, WATCH_SECONDS)
        self.serving.repeat("delivery", self._delivery.turn, TURN_SECONDS)
        if self._lineage.is_wanted:
            self.serving.repeat("lineage", self._lineage.turn, LINEAGE_SECONDS)
        self._watches.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        given = dict(scope["headers"])
        refusal = self._origins.refusal(given, scope["headers"])
        if refusal is not None:
            await send_answer(send, error_answer(refusal, None))
            return
        match = _PREDICTION.fullmatch(scope.get("path", ""))
        if match and scope["method"] == "POST":
            name, infer = match[1] or match[3], match[2] != "invocations"
            await serve_prediction(self._predictor, name, read_call(given), scope, receive, send, infer=infer)
        else:
            await self._routes(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self._finish_ended_worker()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._capture.close()
        await self._limiter.close()
        self.serving.stop()
        self._delivery.close()
        self._lineage.close()
        self._watches.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _finish_ended_worker(self) -> None:
        """Record what the worker that had this place before left unanswered, and begin marks of this one's own."""
        left = left_behind(self._marks)
        if left is not None and left.requests:
            cause = cause_of(self._ends, left.pid)
            _LOG.error("A worker ended (%s) with %s under way", cause or "from outside", describe_left(left))
            await self._predictor.record_unanswered(left, cause)
            if cause is not None:
                self.serving.record_left(left, cause)
        self._predictor.marks = RequestMarks(self._marks)
