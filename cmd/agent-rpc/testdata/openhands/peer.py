"""Drives OpenHands' SDK for the tests of interchange.

A line of JSON on stdin asks, {"do": NAME, ...}; a line on stdout answers, with
{"ok": RESULT} or {"error": TEXT}. Conversations stay open under their id.
"""

import json
import os
import sys
import traceback
import uuid

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # whatever a library prints is no answer

from pydantic import SecretStr, TypeAdapter

import openhands.tools.file_editor  # noqa: F401  the tools register their kinds
import openhands.tools.task_tracker  # noqa: F401
import openhands.tools.terminal  # noqa: F401
from openhands.sdk import LLM, Agent, Conversation, LocalConversation, Message, TextContent, Tool
from openhands.sdk.context import AgentContext, KeywordTrigger, Skill
from openhands.sdk.context.condenser import LLMSummarizingCondenser, NoOpCondenser, PipelineCondenser
from openhands.sdk.context.condenser.base import CondenserBase
from openhands.sdk.context.view import View
from openhands.sdk.conversation.conversation_stats import ConversationStats
from openhands.sdk.conversation.secret_registry import SecretRegistry
from openhands.sdk.conversation.state import ConversationExecutionStatus, ConversationState
from openhands.sdk.critic.base import CriticResult
from openhands.sdk.event import (
    ActionEvent,
    AgentErrorEvent,
    Condensation,
    CondensationRequest,
    CondensationSummaryEvent,
    ConversationStateUpdateEvent,
    Event,
    HookExecutionEvent,
    InterruptEvent,
    LLMCompletionLogEvent,
    LLMConvertibleEvent,
    MessageEvent,
    ObservationEvent,
    PauseEvent,
    StreamingDeltaEvent,
    SystemPromptEvent,
    TokenEvent,
    UserRejectObservation,
)
from openhands.sdk.event.acp_tool_call import ACPToolCallEvent
from openhands.sdk.event.conversation_error import ConversationErrorEvent
from openhands.sdk.event.error_classification import ErrorClassification
from openhands.sdk.llm import ImageContent, MessageToolCall, ReasoningItemModel, RedactedThinkingBlock, ThinkingBlock
from openhands.sdk.llm.utils.metrics import Metrics
from openhands.sdk.secret import LookupSecret, SecretSource, StaticSecret
from openhands.sdk.security.analyzer import SecurityAnalyzerBase
from openhands.sdk.security.confirmation_policy import AlwaysConfirm, ConfirmationPolicyBase, ConfirmRisky, NeverConfirm
from openhands.sdk.security.defense_in_depth.pattern import PatternSecurityAnalyzer
from openhands.sdk.security.defense_in_depth.policy_rails import PolicyRailSecurityAnalyzer
from openhands.sdk.security.ensemble import EnsembleSecurityAnalyzer
from openhands.sdk.security.llm_analyzer import LLMSecurityAnalyzer
from openhands.sdk.security.risk import SecurityRisk
from openhands.sdk.testing import TestLLM
from openhands.sdk.tool.builtins.finish import FinishAction, FinishObservation
from openhands.sdk.tool.builtins.think import ThinkAction, ThinkObservation
from openhands.sdk.utils.cipher import Cipher
from openhands.tools.file_editor import FileEditorAction, FileEditorObservation
from openhands.tools.task_tracker import TaskTrackerAction, TaskTrackerObservation
from openhands.tools.terminal import TerminalAction, TerminalObservation

opened = {}


def stored(model, **context):
    """The text that the SDK writes to disk."""
    return model.model_dump_json(exclude_none=True, context=context or None)


# --- kinds ---------------------------------------------------------------------


def text(t):
    return TextContent(text=t)


def call(name, arguments, id="call_1", **more):
    return MessageToolCall(id=id, name=name, arguments=json.dumps(arguments), origin="completion", **more)


def acted(name, action, **more):
    fields = {
        "thought": [],
        "action": action,
        "tool_name": name,
        "tool_call_id": "call_1",
        "tool_call": call(name, {"a": 1}),
        "llm_response_id": "resp_1",
    }
    return ActionEvent(**(fields | more))


def observed(name, observation, **more):
    return ObservationEvent(tool_name=name, tool_call_id="call_1", action_id=str(uuid.uuid4()), observation=observation, **more)


def message(source, role, *content, **more):
    inside = {k: more.pop(k) for k in ("thinking_blocks", "reasoning_content", "responses_reasoning_item", "tool_calls", "name") if k in more}
    return MessageEvent(source=source, llm_message=Message(role=role, content=list(content), **inside), **more)


def events():
    thinking = [ThinkingBlock(thinking="hm <&>", signature="c2ln"), RedactedThinkingBlock(data="AA==")]
    reasoning = ReasoningItemModel(id="rs_1", summary=["one"], content=["two"], encrypted_content="xx", status="completed")
    critic = CriticResult(score=0.5, message="fair")
    tools = [t for c in (openhands.tools.file_editor.FileEditorTool, openhands.tools.task_tracker.TaskTrackerTool) for t in c.create(scratch())]
    return [
        SystemPromptEvent(system_prompt=text("You are <helpful> & brief. \u2028 é 🙂"), tools=[]),
        SystemPromptEvent(system_prompt=text("You are"), tools=tools, dynamic_context=text("today")),
        message("user", "user", text("hello")),
        message("user", "user", text(""), TextContent(text="cached", cache_prompt=True), ImageContent(image_urls=["data:image/png;base64,AA=="]),
                activated_skills=["git"], extended_content=[text("more")], sender="ada"),
        message("agent", "assistant", text("Done."), llm_response_id="resp_9", thinking_blocks=thinking, reasoning_content="because",
                responses_reasoning_item=reasoning, critic_result=critic),
        message("agent", "assistant", text("Calls"), tool_calls=[call("terminal", {}, responses_item_id="fc_1")]),
        message("environment", "user", text("[nudge]")),
        acted("terminal", TerminalAction(command="ls -l", timeout=3.5)),
        acted("terminal", None, thought=[text("I try.")], reasoning_content="r", thinking_blocks=thinking, responses_reasoning_item=reasoning,
              security_risk=SecurityRisk.HIGH, critic_result=critic, summary="list files"),
        acted("file_editor", FileEditorAction(command="str_replace", path="/w/a.txt", old_str="a", new_str="b")),
        acted("file_editor", FileEditorAction(command="view", path="/w/a.txt", view_range=[1, 2])),
        acted("file_editor", FileEditorAction(command="create", path="/w/a.txt", file_text="x")),
        acted("file_editor", FileEditorAction(command="insert", path="/w/a.txt", insert_line=0, new_str="x")),
        acted("task_tracker", TaskTrackerAction(command="plan", task_list=[{"title": "one", "notes": "n", "status": "in_progress"}])),
        acted("finish", FinishAction(message="Finished.")),
        acted("think", ThinkAction(thought="Hm.")),
        observed("terminal", TerminalObservation(content=[text("out")], command="ls -l", exit_code=0), extended_content=[text("rule")]),
        observed("terminal", TerminalObservation(content=[text("")], command="", exit_code=-1, timeout=True, is_error=True)),
        observed("file_editor", FileEditorObservation(content=[text("ok")], command="str_replace", path="/w/a.txt", prev_exist=True, old_content="a", new_content="b")),
        observed("task_tracker", TaskTrackerObservation(content=[text("ok")], command="view", task_list=[])),
        observed("finish", FinishObservation(content=[text("Finished.")])),
        observed("think", ThinkObservation(content=[text("logged")])),
        UserRejectObservation(tool_name="terminal", tool_call_id="call_1", action_id=str(uuid.uuid4())),
        UserRejectObservation(tool_name="terminal", tool_call_id="call_1", action_id=str(uuid.uuid4()), rejection_reason="no", rejection_source="hook"),
        AgentErrorEvent(tool_name="terminal", tool_call_id="call_1", error="bad"),
        AgentErrorEvent(tool_name="terminal", tool_call_id="call_1", error="bad",
                        classification=ErrorClassification(kind="internal", retryable=False, user_action="none", error_id="e1")),
        Condensation(llm_response_id="resp_3"),
        Condensation(forgotten_event_ids={str(uuid.uuid4())}, summary="so far", summary_offset=0, llm_response_id="resp_3"),
        CondensationRequest(),
        CondensationSummaryEvent(summary="so far"),
        PauseEvent(),
        InterruptEvent(),
        ConversationErrorEvent(source="environment", code="MaxIterationsReached", detail="limit"),
        ConversationErrorEvent(source="agent", code="SomethingNew", detail="odd"),
        ConversationStateUpdateEvent(key="execution_status", value="running"),
        ConversationStateUpdateEvent(key="stats", value=statistics()),
        ConversationStateUpdateEvent(),
        HookExecutionEvent(hook_event_type="PreToolUse", hook_command="check", success=True, exit_code=0),
        HookExecutionEvent(hook_event_type="Stop", hook_command="check", success=False, blocked=True, exit_code=2, stdout="o", stderr="e", reason="r",
                           tool_name="terminal", additional_context="c", error="x", action_id="a", message_id="m", hook_input={"tool": "terminal", "n": None}),
        TokenEvent(source="agent", prompt_token_ids=[1, 2], response_token_ids=[]),
        LLMCompletionLogEvent(filename="a.json", log_data="{}"),
        LLMCompletionLogEvent(filename="a.json", log_data="{}", model_name="m", usage_id="u"),
        StreamingDeltaEvent(source="agent", content="a"),
        StreamingDeltaEvent(source="agent", reasoning_content=""),
        ACPToolCallEvent(tool_call_id="t", title="Read"),
        ACPToolCallEvent(tool_call_id="t", title="Read", status="completed", tool_kind="read", raw_input={"path": "/a"}, raw_output=["x"],
                         content=[{"type": "text"}], is_error=True),
    ]


def statistics():
    m = Metrics(model_name="anthropic/claude")
    m.add_cost(0.01)
    m.add_response_latency(1.5, "resp_1")
    m.add_token_usage(prompt_tokens=100, completion_tokens=7, cache_read_tokens=3, cache_write_tokens=2, context_window=1000, response_id="resp_1", reasoning_tokens=1)
    return ConversationStats(usage_to_metrics={"agent": m, "condenser": Metrics(model_name="other")})


def model(**more):
    return LLM(model="anthropic/claude-sonnet-4-5", api_key=SecretStr("sk-not-a-key"), usage_id="agent", **more)


def agents():
    yield Agent(llm=model(), tools=[])
    yield Agent(
        llm=model(temperature=0.5, reasoning_effort="high", base_url="http://127.0.0.1:9"),
        tools=[Tool(name="terminal"), Tool(name="file_editor"), Tool(name="task_tracker")],
        condenser=LLMSummarizingCondenser(llm=model(), max_size=80, keep_first=4),
        filter_tools_regex="^t",
        system_prompt="You are brief.",
        include_default_tools=["FinishTool"],
        tool_concurrency_limit=2,
    )
    # Tools and servers that another program may not have.
    yield Agent(
        llm=model(),
        tools=[Tool(name="terminal"), Tool(name="browser_tool_set", params={"headless": True})],
        agent_context=AgentContext(skills=[Skill(name="git", content="Commit often.", trigger=KeywordTrigger(keywords=["commit"]))], system_message_suffix="Be brief."),
        mcp_config={"files": {"command": "no-such-server", "args": ["x"]}},
    )


# The objects that are stored beside events, by base class.
bases = {
    "Event": Event,
    "Agent": Agent,
    "ConfirmationPolicy": ConfirmationPolicyBase,
    "SecurityAnalyzer": SecurityAnalyzerBase,
    "SecretSource": SecretSource,
    "SecretRegistry": SecretRegistry,
    "Condenser": CondenserBase,
    "ConversationStats": ConversationStats,
}


def examples(base):
    pattern, rail = PatternSecurityAnalyzer(), PolicyRailSecurityAnalyzer()
    sources = [
        StaticSecret(value=SecretStr("hush")),
        StaticSecret(value=None, description="nothing"),
        LookupSecret(url="http://127.0.0.1:9/secret", headers={"X-Trace": "1", "Authorization": "Bearer hush"}, description="looked up"),
    ]
    models = {
        "Event": events,
        "Agent": agents,
        "ConfirmationPolicy": lambda: [AlwaysConfirm(), NeverConfirm(), ConfirmRisky(), ConfirmRisky(threshold=SecurityRisk.LOW, confirm_unknown=False)],
        "SecurityAnalyzer": lambda: [LLMSecurityAnalyzer(), pattern, rail, EnsembleSecurityAnalyzer(analyzers=[pattern, rail], propagate_unknown=True)],
        "SecretSource": lambda: sources,
        "SecretRegistry": lambda: [SecretRegistry(), SecretRegistry(secret_sources={f"S{i}": s for i, s in enumerate(sources)})],
        "Condenser": lambda: [
            NoOpCondenser(),
            LLMSummarizingCondenser(llm=model()),
            PipelineCondenser(condensers=[NoOpCondenser(), LLMSummarizingCondenser(llm=model(), max_size=100, max_tokens=5000, keep_first=3, minimum_progress=0.2)]),
        ],
        "ConversationStats": lambda: [ConversationStats(), statistics()],
    }[base]()
    return [stored(m) for m in models]


def kinds():
    """The concrete kinds of events that this release knows."""
    import inspect

    def below(cls):
        for c in cls.__subclasses__():
            yield c
            yield from below(c)

    return sorted({c.__name__ for c in below(Event) if not inspect.isabstract(c) and c.__module__.startswith("openhands.")})


def members():
    """The class: parameters of its constructor, properties and methods."""
    import inspect

    names = [n for n, _ in inspect.getmembers(LocalConversation)] + list(inspect.signature(LocalConversation.__init__).parameters)
    return sorted({n for n in names if not n.startswith("_")} - {"self"})


def accept(base, texts):
    """Reads the texts and writes them again."""
    read = TypeAdapter(bases[base])
    return [read.dump_json(read.validate_json(t), exclude_none=True).decode() for t in texts]


# --- conversations -------------------------------------------------------------


def scratch():
    """A state for tools that want one; it is in memory."""
    return ConversationState.create(id=uuid.uuid4(), agent=Agent(llm=model(), tools=[]), workspace=openhands.sdk.LocalWorkspace(working_dir="/tmp"))


def tools():
    return [Tool(name="terminal"), Tool(name="file_editor"), Tool(name="task_tracker")]


def create(base, workspace, id=None, agent="new", secrets=None, tags=None, key=None, condenser=False):
    """Makes or resumes a conversation and tells its id."""
    given = None
    if agent == "new":
        summaries = LLMSummarizingCondenser(llm=TestLLM.from_messages([], usage_id="condenser"), max_size=80, keep_first=4) if condenser else None
        given = Agent(llm=TestLLM.from_messages([], usage_id="agent"), tools=tools(), condenser=summaries)
    c = LocalConversation(
        agent=given,
        workspace=workspace,
        persistence_dir=base,
        conversation_id=uuid.UUID(id) if id else None,
        visualizer=None,
        secrets=secrets,
        tags=tags,
        cipher=Cipher(key) if key else None,
    )
    opened[str(c.id)] = c
    return str(c.id)


def seen(id):
    """What the SDK makes of a conversation."""
    c = opened[id]
    s = c.state
    return {
        "events": [json.loads(stored(e)) for e in s.events],
        "branch": [e.id for e in s.active_branch()],
        "view": [e.id for e in s.view.events],
        "messages": [m.model_dump(mode="json", exclude_none=True) for m in LLMConvertibleEvent.events_to_messages(s.view.events)],
        "pending": [e.id for e in ConversationState.get_unmatched_actions(s.active_branch())],
        "state": json.loads(stored(s)),
        "secrets": {n: s.secret_registry.get_secret_value(n) for n in s.secret_registry.secret_sources},
        "cost": s.stats.get_combined_metrics().accumulated_cost,
        "active": c.confirmation_policy_active,
        "tools": [t.name for t in s.agent.tools],
    }


def say(id, text, sender=None):
    opened[id].send_message(text, sender=sender)


def answer(a):
    if isinstance(a, str):
        return Message(role="assistant", content=[TextContent(text=a)])
    calls = [call(name, arguments, id=f"py_{uuid.uuid4().hex[:8]}") if not isinstance(arguments, str)
             else MessageToolCall(id=f"py_{uuid.uuid4().hex[:8]}", name=name, arguments=arguments, origin="completion")
             for c in a["calls"] for name, arguments in c.items()]
    return Message(role="assistant", content=[TextContent(text=a.get("text", ""))], tool_calls=calls)


def script(id, answers, usage="agent"):
    """Gives the agent's model its next answers."""
    c = opened[id]
    llm = TestLLM.from_messages([answer(a) for a in answers], usage_id=f"script-{uuid.uuid4().hex[:6]}")
    if usage == "condenser":
        agent = c.agent.model_copy(update={"condenser": c.agent.condenser.model_copy(update={"llm": llm})})
        with c.state:
            c.state.agent = c.agent = agent
    else:
        c.switch_llm(llm)


def run(id, answers):
    script(id, answers)
    try:
        opened[id].run()
    except Exception as e:  # the run's failure is in the log
        return f"{opened[id].state.execution_status.value}: {type(e).__name__}"
    return opened[id].state.execution_status.value


def policy(id, policy):
    opened[id].set_confirmation_policy(ConfirmationPolicyBase.model_validate(policy))


def analyzer(id, analyzer):
    opened[id].set_security_analyzer(SecurityAnalyzerBase.model_validate(analyzer))


def do(id, method, *arguments):
    """Calls a method of the conversation."""
    r = getattr(opened[id], method)(*arguments)
    if isinstance(r, LocalConversation):
        opened[str(r.id)] = r
        return str(r.id)
    return r


def status(id, value):
    with opened[id].state as s:
        s.execution_status = ConversationExecutionStatus(value)


def log(id, texts=None):
    """Appends events: the given ones, or one or more of every kind."""
    c = opened[id]
    made = [Event.model_validate_json(t) for t in texts] if texts else events()
    with c.state:
        for e in made:
            c.state.append_event(e)
    return [e.id for e in made]


def many(id, n):
    """Appends n messages one by one."""
    ids = []
    for i in range(n):
        with opened[id].state as s:
            ids.append(s.append_event(message("user", "user", text(f"python {i}"))).id)
    return ids


def close(id):
    opened.pop(id).close()


commands = {f.__name__: f for f in (examples, kinds, members, accept, create, seen, say, script, run, policy, analyzer, do, status, log, many, close)}

for line in sys.stdin:
    ask = json.loads(line)
    try:
        reply = {"ok": commands[ask.pop("do")](*ask.pop("with", []), **ask)}
    except Exception as e:
        traceback.print_exc()
        reply = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(reply), file=answers)

for c in opened.values():
    c.close()
