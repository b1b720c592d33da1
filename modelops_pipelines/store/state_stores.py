"""The stores of the state database, each opened at its first use, because imports take longer than most commands."""

from functools import cached_property
from typing import TYPE_CHECKING

from modelops_pipelines.store.settings import Settings, load_settings, prepare_home

if TYPE_CHECKING:
    from modelops_pipelines.store.state.access.api_keys import Keys
    from modelops_pipelines.store.state.access.sent_forms import SentForms
    from modelops_pipelines.store.state.access.sessions import Sessions
    from modelops_pipelines.store.state.alerting.acceptances import Acceptances
    from modelops_pipelines.store.state.alerting.alert_events import AlertEvents
    from modelops_pipelines.store.state.alerting.alerts import Alerts
    from modelops_pipelines.store.state.alerting.leases import Leases
    from modelops_pipelines.store.state.alerting.messages import Messages
    from modelops_pipelines.store.state.alerting.notifications import Notifications
    from modelops_pipelines.store.state.alerting.runtime_rules import RuntimeRules
    from modelops_pipelines.store.state.alerting.silences import Silences
    from modelops_pipelines.store.state.alerting.verdicts import Verdicts
    from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress
    from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
    from modelops_pipelines.store.state.database import Database
    from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedbacks
    from modelops_pipelines.store.state.improve.feedback_events import FeedbackEvents
    from modelops_pipelines.store.state.improve.feedback_marks import FeedbackMarks
    from modelops_pipelines.store.state.improve.gates import Gates
    from modelops_pipelines.store.state.improve.label_sources import LabelSources
    from modelops_pipelines.store.state.improve.lineage_events import LineageEvents
    from modelops_pipelines.store.state.improve.lineage_records import LineageRecords
    from modelops_pipelines.store.state.improve.retraining_decisions import RetrainingDecisions
    from modelops_pipelines.store.state.improve.retrainings import Retrainings
    from modelops_pipelines.store.state.improve.review_items import ReviewItems
    from modelops_pipelines.store.state.improve.review_verdicts import ReviewVerdicts
    from modelops_pipelines.store.state.improve.set_checks import SetChecks
    from modelops_pipelines.store.state.improve.training_runs import TrainingRuns
    from modelops_pipelines.store.state.improve.training_sets import TrainingSets
    from modelops_pipelines.store.state.installation import Mark
    from modelops_pipelines.store.state.maintenance.deletions import Deletions
    from modelops_pipelines.store.state.maintenance.old_rows import OldRows
    from modelops_pipelines.store.state.release.crashes import Crashes
    from modelops_pipelines.store.state.release.deployments import Deployments
    from modelops_pipelines.store.state.release.event_notes import EventNotes
    from modelops_pipelines.store.state.release.suite_runs import VersionTests
    from modelops_pipelines.store.state.release.trials import Trials
    from modelops_pipelines.store.state.summaries import Summaries


class StateStores:
    """What one installation keeps in its state database."""

    def __init__(self, settings: Settings | None = None, known: "Mark | None" = None) -> None:
        """Use the settings given, or those of the current folder and environment; create the home if it is missing.

        ``known`` is the home's mark as another process has read it: a home that has vanished since is not made anew.
        """
        self.settings, self._known = settings or load_settings(), known
        prepare_home(self.settings)

    @cached_property
    def database(self) -> "Database":
        """The state database, migrated."""
        from modelops_pipelines.store.state.database import Database
        from modelops_pipelines.store.state.installation import FILE, Installation

        return Database(self.settings.state_url, Installation(self.settings.home / FILE, self._known))

    @cached_property
    def deployments(self) -> "Deployments":
        """Desired state, versions, workers, events."""
        from modelops_pipelines.store.state.release.deployments import Deployments

        return Deployments(self.database, self.event_notes)

    @cached_property
    def event_notes(self) -> "EventNotes":
        """The second record of the history."""
        from modelops_pipelines.store.state.release.event_notes import EventNotes

        return EventNotes(self.settings.home / "history.log")

    @cached_property
    def alerts(self) -> "Alerts":
        """Alerts, and the runs that they came from."""
        from modelops_pipelines.store.state.alerting.alerts import Alerts

        return Alerts(self.database)

    @cached_property
    def alert_events(self) -> "AlertEvents":
        """What happened to alerts."""
        from modelops_pipelines.store.state.alerting.alert_events import AlertEvents

        return AlertEvents(self.database)

    @cached_property
    def notifications(self) -> "Notifications":
        """What is to be told to channels."""
        from modelops_pipelines.store.state.alerting.notifications import Notifications

        return Notifications(self.database)

    @cached_property
    def silences(self) -> "Silences":
        """Silences that people made."""
        from modelops_pipelines.store.state.alerting.silences import Silences

        return Silences(self.database)

    @cached_property
    def acceptances(self) -> "Acceptances":
        """Changed values that were accepted as the new normal."""
        from modelops_pipelines.store.state.alerting.acceptances import Acceptances

        return Acceptances(self.database)

    @cached_property
    def runtime_rules(self) -> "RuntimeRules":
        """Alert rules that were added at run time."""
        from modelops_pipelines.store.state.alerting.runtime_rules import RuntimeRules

        return RuntimeRules(self.database)

    @cached_property
    def messages(self) -> "Messages":
        """Messages to channels: the outbox."""
        from modelops_pipelines.store.state.alerting.messages import Messages

        return Messages(self.database)

    @cached_property
    def leases(self) -> "Leases":
        """What only one process does at a time, and who still does what."""
        from modelops_pipelines.store.state.alerting.leases import Leases

        return Leases(self.database)

    @cached_property
    def verdicts(self) -> "Verdicts":
        """The newest verdict of each alert rule on each window."""
        from modelops_pipelines.store.state.alerting.verdicts import Verdicts

        return Verdicts(self.database)

    @cached_property
    def accepted_feedback(self) -> "AcceptedFeedbacks":
        """Feedback that was accepted as labels for training."""
        from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedbacks

        return AcceptedFeedbacks(self.database)

    @cached_property
    def feedback_events(self) -> "FeedbackEvents":
        """What people did with feedback."""
        from modelops_pipelines.store.state.improve.feedback_events import FeedbackEvents

        return FeedbackEvents(self.database)

    @cached_property
    def feedback_marks(self) -> "FeedbackMarks":
        """What is flagged, assigned and deleted of feedback."""
        from modelops_pipelines.store.state.improve.feedback_marks import FeedbackMarks

        return FeedbackMarks(self.database)

    @cached_property
    def gates(self) -> "Gates":
        """The gate's verdicts on candidates."""
        from modelops_pipelines.store.state.improve.gates import Gates

        return Gates(self.database)

    @cached_property
    def ingest_progress(self) -> "IngestProgress":
        """How far the ingested data reaches."""
        from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress

        return IngestProgress(self.database)

    @cached_property
    def lineage_events(self) -> "LineageEvents":
        """OpenLineage events that are to be sent, and were."""
        from modelops_pipelines.store.state.improve.lineage_events import LineageEvents

        return LineageEvents(self.database)

    @cached_property
    def lineage_records(self) -> "LineageRecords":
        """What lineage reads of the improvement's tables."""
        from modelops_pipelines.store.state.improve.lineage_records import LineageRecords

        return LineageRecords(self.database)

    @cached_property
    def label_sources(self) -> "LabelSources":
        """How far sources of labels were read."""
        from modelops_pipelines.store.state.improve.label_sources import LabelSources

        return LabelSources(self.database)

    @cached_property
    def retrainings(self) -> "Retrainings":
        """Retrainings: starts and results."""
        from modelops_pipelines.store.state.improve.retrainings import Retrainings

        return Retrainings(self.database)

    @cached_property
    def retraining_decisions(self) -> "RetrainingDecisions":
        """Decisions whether to retrain."""
        from modelops_pipelines.store.state.improve.retraining_decisions import RetrainingDecisions

        return RetrainingDecisions(self.database)

    @cached_property
    def training_runs(self) -> "TrainingRuns":
        """Attempts to train."""
        from modelops_pipelines.store.state.improve.training_runs import TrainingRuns

        return TrainingRuns(self.database)

    @cached_property
    def review_items(self) -> "ReviewItems":
        """The review queue."""
        from modelops_pipelines.store.state.improve.review_items import ReviewItems

        return ReviewItems(self.database)

    @cached_property
    def review_verdicts(self) -> "ReviewVerdicts":
        """What reviewers said of the items of the queue."""
        from modelops_pipelines.store.state.improve.review_verdicts import ReviewVerdicts

        return ReviewVerdicts(self.database)

    @cached_property
    def touched_windows(self) -> "TouchedWindows":
        """Marks of windows to recompute."""
        from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows

        return TouchedWindows(self.database)

    @cached_property
    def training_sets(self) -> "TrainingSets":
        """Records of training sets."""
        from modelops_pipelines.store.state.improve.training_sets import TrainingSets

        return TrainingSets(self.database)

    @cached_property
    def set_checks(self) -> "SetChecks":
        """Verdicts of the guards on training sets."""
        from modelops_pipelines.store.state.improve.set_checks import SetChecks

        return SetChecks(self.database)

    @cached_property
    def trials(self) -> "Trials":
        """Verdicts on versions on trial, A/B tests."""
        from modelops_pipelines.store.state.release.trials import Trials

        return Trials(self.database)

    @cached_property
    def crashes(self) -> "Crashes":
        """Crashes and hangs of versions."""
        from modelops_pipelines.store.state.release.crashes import Crashes

        return Crashes(self.database)

    @cached_property
    def version_tests(self) -> "VersionTests":
        """Runs of test suites against versions."""
        from modelops_pipelines.store.state.release.suite_runs import VersionTests

        return VersionTests(self.database)

    @cached_property
    def keys(self) -> "Keys":
        """The gateway's API keys."""
        from modelops_pipelines.store.state.access.api_keys import Keys

        return Keys(self.database)

    @cached_property
    def sessions(self) -> "Sessions":
        """Sessions of people who are signed in to the pages."""
        from modelops_pipelines.store.state.access.sessions import Sessions

        return Sessions(self.database)

    @cached_property
    def sent_forms(self) -> "SentForms":
        """Forms of the pages that may be sent once, and were."""
        from modelops_pipelines.store.state.access.sent_forms import SentForms

        return SentForms(self.database)

    @cached_property
    def deletions(self) -> "Deletions":
        """The audit of what maintenance has deleted."""
        from modelops_pipelines.store.state.maintenance.deletions import Deletions

        return Deletions(self.database)

    @cached_property
    def old_rows(self) -> "OldRows":
        """Rows of the state that maintenance may delete."""
        from modelops_pipelines.store.state.maintenance.old_rows import OldRows

        return OldRows(self.database)

    @cached_property
    def summaries(self) -> "Summaries":
        """The newest summary of each endpoint, as the overview shows it."""
        from modelops_pipelines.store.state.summaries import Summaries

        return Summaries(self.database)
