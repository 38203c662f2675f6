package protocol

import (
	"embed"
	"reflect"
)

// Source is the text of this package, from which the schema takes its comments.
//
//go:embed *.go
var Source embed.FS

// Method is one row of the protocol.
type Method struct {
	Name string
	// FromServer tells that the server sends it.
	FromServer bool
	// Params and Result are the types; Result is nil for a notification.
	Params, Result reflect.Type
	// Nullable tells that the result may be null.
	Nullable bool
}

// Empty is an object without fields.
type Empty struct{}

func request[P, R any](name string) Method {
	return Method{Name: name, Params: reflect.TypeFor[P](), Result: reflect.TypeFor[R]()}
}

func ask[P, R any](name string) Method {
	m := request[P, R](name)
	m.FromServer = true
	return m
}

func notify[P any](name string) Method {
	return Method{Name: name, FromServer: true, Params: reflect.TypeFor[P]()}
}

// Methods are all methods of this protocol beside LSP's own.
func Methods() []Method {
	confirmation := ask[ConfirmationParams, ConfirmationReply](RequestConfirmation)
	confirmation.Nullable = true
	input := ask[InputParams, InputReply](RequestInput)
	input.Nullable = true
	return []Method{
		request[CreateParams, CreateResult](MethodCreate),
		request[OpenParams, OpenResult](MethodOpen),
		request[ListParams, ListResult](MethodList),
		request[IDParams, Info](MethodState),
		request[EventsParams, EventsResult](MethodEvents),
		request[SendMessageParams, SendMessageResult](MethodSendMessage),
		request[RunParams, RunResult](MethodRun),
		request[IDParams, PauseResult](MethodPause),
		request[IDParams, Empty](MethodInterrupt),
		request[ConfirmParams, ConfirmResult](MethodConfirm),
		request[AnswerParams, AnswerResult](MethodAnswer),
		request[RunToolParams, RunToolResult](MethodRunTool),
		request[IDParams, RerunActionsResult](MethodRerunActions),
		request[RejectParams, RejectResult](MethodRejectPendingActions),
		request[SetConfirmationPolicyParams, Info](MethodSetConfirmationPolicy),
		request[SetSecurityAnalyzerParams, Info](MethodSetSecurityAnalyzer),
		request[UpdateSecretsParams, UpdateSecretsResult](MethodUpdateSecrets),
		request[GenerateTitleParams, GenerateTitleResult](MethodGenerateTitle),
		request[IDParams, Info](MethodCondense),
		request[AskAgentParams, AskAgentResult](MethodAskAgent),
		request[SwitchModelParams, Info](MethodSwitchModel),
		request[UpdateParams, Info](MethodUpdate),
		request[ForkParams, CreateResult](MethodFork),
		request[NavigateParams, Info](MethodNavigate),
		request[IDParams, BranchesResult](MethodBranches),
		request[UnsendParams, Queued](MethodUnsend),
		request[BlobParams, BlobResult](MethodBlob),
		request[ChangesParams, ChangesResult](MethodChanges),
		request[BaselineParams, BaselineResult](MethodBaseline),
		request[ChosenChangesParams, Empty](MethodKeepChanges),
		request[ChosenChangesParams, UndoChangesResult](MethodUndoChanges),
		request[IDParams, Empty](MethodClose),
		request[IDParams, Empty](MethodDelete),
		request[Empty, PingResult](MethodPing),
		request[Empty, ToolsResult](MethodTools),
		request[SkillsParams, SkillsResult](MethodSkills),
		request[Empty, ModelsResult](MethodModels),
		notify[EventNotification](NotifyEvent),
		notify[DeltaNotification](NotifyDelta),
		notify[StateChangedNotification](NotifyStateChanged),
		notify[RequestResolvedNotification](NotifyRequestResolved),
		notify[GapNotification](NotifyGap),
		notify[Empty](NotifyListChanged),
		confirmation,
		input,
		ask[ExecuteToolParams, ExecuteToolResult](RequestExecuteTool),
		ask[SecretValueParams, SecretValueResult](RequestSecretValue),
	}
}

// Inside are the types that travel inside what others define: in LSP's
// initialize, and in OpenHands' events.
func Inside() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[ClientOptions](), reflect.TypeFor[ServerOptions](), reflect.TypeFor[Blob]()}
}

// Enums gives the values of the string types.
func Enums() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[Status](): {
			string(StatusIdle), string(StatusRunning), string(StatusPausing), string(StatusPaused), string(StatusWaitingForConfirmation),
			string(StatusWaitingForInput), string(StatusFinished), string(StatusError), string(StatusStuck), string(StatusDeleting),
		},
		reflect.TypeFor[StopReason](): {
			string(StopFinished), string(StopPaused), string(StopInterrupted), string(StopWaitingForConfirmation), string(StopMaxIterations),
			string(StopBudget), string(StopStuck), string(StopRejected), string(StopError),
		},
	}
}
