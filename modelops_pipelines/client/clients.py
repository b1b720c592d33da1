"""The two clients: every operation of ``calls``, blocking or awaited."""

from modelops_pipelines.client.calls.alerts import AlertCalls
from modelops_pipelines.client.calls.endpoints import EndpointCalls
from modelops_pipelines.client.calls.feedback import FeedbackCalls
from modelops_pipelines.client.calls.keys import KeyCalls
from modelops_pipelines.client.calls.lineage import LineageCalls
from modelops_pipelines.client.calls.monitoring import MonitoringCalls
from modelops_pipelines.client.calls.predictions import PredictionCalls
from modelops_pipelines.client.calls.releases import ReleaseCalls
from modelops_pipelines.client.calls.reviews import ReviewCalls
from modelops_pipelines.client.calls.trials import TrialCalls
from modelops_pipelines.client.connection.senders import AsyncSender, Sender


class Operations(
    PredictionCalls,
    EndpointCalls,
    MonitoringCalls,
    ReleaseCalls,
    TrialCalls,
    AlertCalls,
    FeedbackCalls,
    ReviewCalls,
    LineageCalls,
    KeyCalls,
):
    """All operations of the gateway."""


class Client(Operations, Sender):
    """A gateway's client, whose methods return when the gateway has answered. Close it, or use it with ``with``.

    It may be used by several threads. Errors are of ``connection.errors``.
    """


class AsyncClient(Operations, AsyncSender):
    """A gateway's client, whose methods are awaited. Close it, or use it with ``async with``, in one event loop."""
