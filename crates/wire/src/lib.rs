//! The public JSON types and error codes, shared by the server, the CLI and the client.
//!
//! Requests hold what a caller sent, as JSON types; each has one conversion into the types of the core,
//! which reports every broken rule at once. Answers are made from the types of the core. This crate must
//! never know how an answer came about.

mod application;
mod audit;
mod batch;
mod broken;
mod catalogue;
mod cloud_event;
mod csv;
mod customer;
mod entity;
mod event;
mod explanation;
mod exposure;
mod import;
mod ingest;
mod integration;
mod integration_request;
mod invitation;
mod job;
mod key;
mod key_action;
mod key_address;
mod key_request;
mod leak;
mod ledger;
mod membership;
mod model;
mod model_import;
mod oauth;
mod object;
mod overview;
mod page;
mod password;
mod patch;
mod price;
mod problem;
mod provider;
mod quota;
mod request_limits;
mod request_log;
mod routing;
mod scan_rules;
pub mod schema;
mod second_factor;
mod secret;
mod session;
mod setup;
mod spend;
mod tenant;
mod usage;
mod verification;
mod webhook;
mod whoami;

pub use application::{ApplicationListQuery, ApplicationView, CreateApplication, PatchApplication};
pub use audit::{AuditEntryView, AuditExportQuery, AuditListQuery, AuditProofView};
pub use batch::{
    BatchAnswer, BatchAnswers, BrokenQuestion, MAX_BATCH_PERMISSIONS, MAX_QUESTIONS, VerifyBatch,
};
pub use catalogue::{CatalogueCursor, PermissionView, SetPermission};
pub use cloud_event::CloudEvent;
pub use csv::CsvLine;
pub use customer::{CreateCustomer, CustomerListQuery, CustomerView, PatchCustomer};
pub use entity::{EntityFieldView, EntityListQuery, EntityQuery, EntityView};
pub use event::{
    EntityNameBody, EventListQuery, EventView, IngestAnswer, MAX_EVENTS, RejectedEvent, SendEvent, SendEvents,
};
pub use explanation::{CheckResult, CheckView};
pub use exposure::{ExposureBreak, ExposureGroup, ExposureGroups, ExposureQuery, ExposureView};
pub use import::{ImportKeys, ImportedKey, ImportedKeys, MAX_IMPORT};
pub use ingest::{
    EventCountsView, IngestPoint, IngestPostureView, IngestQuery, IngestView, SourceListQuery, SourceView,
};
pub use integration::{CreatedIntegrationKey, IntegrationKey, IntegrationStatus};
pub use integration_request::{CreateIntegrationKey, IntegrationListQuery, PatchIntegrationKey};
pub use invitation::{
    AcceptInvitation, AcceptedInvitation, CreateInvitation, CreatedInvitation, InvitationView,
};
pub use job::{
    CreateJob, JobAsked, JobCount, JobErrorView, JobListQuery, JobProblemView, JobResultFormat,
    JobResultQuery, JobSecret, JobSecrets, JobTask, JobView, KeySelection,
};
pub use key::{CreatedKey, KeyView};
pub use key_action::{BlockKey, RegenerateKey, RevokeKey, RotateKey};
pub use key_address::KeyAddressView;
pub use key_request::{CreateKey, ImportKey, PatchKey};
pub use leak::{
    GithubAlert, GithubVerdict, LeakListQuery, LeakLookup, LeakLookupAnswer, LeakReceived, LeakView,
    MAX_LOOKUP, ReportLeak, SecretView, SeenKey,
};
pub use ledger::{CorrectCharge, CorrectedView, LedgerListQuery, LedgerView, UsedView};
pub use membership::{MemberListQuery, MemberView, MembershipView, PatchMembership};
pub use model::{CreateModel, ModelListQuery, ModelView, PatchModel};
pub use model_import::{ImportModels, ImportedModelView, ImportedModelsView, ModelImportAsked};
pub use oauth::{IntrospectRequest, Introspection, RevokeTokenRequest};
pub use object::Object;
pub use overview::{
    AttentionView, KeyFiguresView, NearBudgetView, NearBudgetsView, OverviewQuery, OverviewView,
    StatusCountsView,
};
pub use page::{KeyListQuery, Listing, MAX_PAGE, PageQuery, check_sought};
pub use password::{ChangePassword, ResetOfferView, ResetPassword};
pub use patch::Patch;
pub use price::{PriceBody, PriceVersionView};
pub use problem::{FieldProblem, Problem};
pub use provider::{CreateProvider, PatchProvider, ProviderView};
pub use quota::{
    BudgetLeftView, Estimate, Estimated, HoldListQuery, HoldView, SettleHold, SettleHoldByHand,
    SettledHoldView, TokensLeft,
};
pub use request_log::{LogExportQuery, LogListQuery, LogStreamQuery, LoggedRequestView};
pub use routing::{HostBody, RouteBody, RoutingView, SetRouting};
pub use scan_rules::ScanRulesQuery;
pub use second_factor::{ConfirmTotp, EnrolTotp, EnrolmentView, RecoveryCodes, RemoveTotp};
pub use session::{
    Logout, MeView, MyTenant, Nothing, RefreshRequest, SessionView, TokenAnswer, TokenBody, TokenRequest,
};
pub use setup::{SetUp, SetUpAnswer};
pub use spend::{SpendFigures, SpendItem, SpendQuery, SpendView};
pub use tenant::{CreateTenant, PatchTenant, TenantView};
pub use usage::{LatencyCounts, TenantUsageQuery, UsageCounts, UsagePoint, UsageQuery, UsageView};
pub use verification::{LimitState, PermissionsAsked, VerifyAnswer, VerifyRequest};
pub use webhook::{
    Anew, CreateWebhook, CreatedWebhook, DeliveryListQuery, DeliveryView, MAX_SECRET_OVERLAP, PatchWebhook,
    Redeliver, RedeliveredView, RotateWebhookSecret, WebhookTestView, WebhookView,
};
pub use whoami::WhoamiView;
