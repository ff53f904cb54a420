"""The only module of the core that plugins import: contracts, models, errors and the hook marker."""

from te_core.clock import Clock
from te_core.contracts.command import CommandContext, CommandSpec, SourceInstance
from te_core.contracts.control import ControlContext
from te_core.contracts.exchange import (
    AccountContext,
    AccountIdentity,
    AccountStream,
    Capabilities,
    ExchangeAccount,
    ExchangeSpec,
    Feed,
    Finding,
    Severity,
    TradingTerms,
)
from te_core.contracts.notifier import Notifier, NotifierContext, NotifierSpec
from te_core.contracts.observer import (
    FinishedOrder,
    Observer,
    ObserverContext,
    ObserverSpec,
    PositionChange,
)
from te_core.contracts.options import Duration, MissingSecrets, Number, Positive, Share
from te_core.contracts.risk_check import RiskCheck, RiskCheckContext, RiskCheckSpec
from te_core.contracts.source import (
    LONGEST_DEDUPE,
    Publication,
    RecordEvent,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    WebhookSpec,
)
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import (
    AuthError,
    CommandFailed,
    CommandRefused,
    ConfigError,
    DuplicateClientOrderId,
    InsufficientMargin,
    JournalError,
    NoticeRefused,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    SignalRejected,
    TradeEngineError,
)
from te_core.hookspecs import hookimpl
from te_core.http_session import http_session
from te_core.model.control import Action, Command
from te_core.model.event import Event
from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.money import CashFlow, FlowKind
from te_core.model.order import (
    HEX_IDS,
    ClientOrderIdForm,
    IntentState,
    OrderReport,
    OrderRequest,
    OrderStatus,
    RestingStop,
    Side,
    StopKind,
    StopRequest,
)
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known, Unknown
from te_core.model.review import Proposal, Verdict
from te_core.model.signal import QuarantinedInput, Signal
from te_core.outage import Outages
from te_core.texts import printable

__all__ = [
    "HEX_IDS",
    "LONGEST_DEDUPE",
    "AccountContext",
    "AccountIdentity",
    "AccountStream",
    "Action",
    "AuthError",
    "Capabilities",
    "CashFlow",
    "ClientOrderIdForm",
    "Clock",
    "Command",
    "CommandContext",
    "CommandFailed",
    "CommandRefused",
    "CommandSpec",
    "ConfigError",
    "ControlContext",
    "DuplicateClientOrderId",
    "Duration",
    "Equity",
    "Event",
    "ExchangeAccount",
    "ExchangeSpec",
    "Exit",
    "ExitUnit",
    "Exits",
    "Feed",
    "Finding",
    "FinishedOrder",
    "FlowKind",
    "FundingRate",
    "Instrument",
    "InsufficientMargin",
    "IntentState",
    "JournalError",
    "Known",
    "MarginMode",
    "MissingSecrets",
    "NotReady",
    "NoticeRefused",
    "Notifier",
    "NotifierContext",
    "NotifierSpec",
    "Number",
    "Observer",
    "ObserverContext",
    "ObserverSpec",
    "OrderRejected",
    "OrderReport",
    "OrderRequest",
    "OrderStatus",
    "Outages",
    "OutcomeUnknown",
    "Position",
    "PositionChange",
    "Positive",
    "Proposal",
    "Publication",
    "QuarantinedInput",
    "RateLimited",
    "RecordEvent",
    "RestingStop",
    "RiskCheck",
    "RiskCheckContext",
    "RiskCheckSpec",
    "Severity",
    "Share",
    "Side",
    "Signal",
    "SignalRejected",
    "SignalSource",
    "SignalSourceSpec",
    "SourceContext",
    "SourceInstance",
    "StopKind",
    "StopRequest",
    "TradeEngineError",
    "TradingTerms",
    "Unknown",
    "Verdict",
    "WebhookRequest",
    "WebhookResponse",
    "WebhookSpec",
    "hookimpl",
    "http_session",
    "printable",
]
