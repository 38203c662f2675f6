"""Writes a conversation as a release before 1.0 did, and prints its id.

Arguments: the folder of the conversations, the folder to work in.
"""

import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from pydantic import SecretStr

from openhands.sdk import LLM, Agent, Conversation, Message, TextContent, Tool
from openhands.sdk.event import (
    ActionEvent,
    AgentErrorEvent,
    Condensation,
    MessageEvent,
    ObservationEvent,
    PauseEvent,
    UserRejectObservation,
)
from openhands.sdk.llm import MessageToolCall
from openhands.sdk.security.confirmation_policy import ConfirmRisky
from openhands.sdk.security.llm_analyzer import LLMSecurityAnalyzer
from openhands.sdk.tool import register_tool
from openhands.tools.execute_bash import BashTool, ExecuteBashAction, ExecuteBashObservation
from openhands.tools.file_editor import FileEditorTool

register_tool("BashTool", BashTool)
register_tool("FileEditorTool", FileEditorTool)
base, workspace = sys.argv[1:]
c = Conversation(
    agent=Agent(
        llm=LLM(model="anthropic/claude", api_key=SecretStr("sk-not-a-key"), usage_id="agent"),
        tools=[Tool(name="BashTool"), Tool(name="FileEditorTool")],
        security_analyzer=LLMSecurityAnalyzer(),
    ),
    workspace=workspace,
    persistence_dir=base,
    visualize=False,
    secrets={"TOKEN": "hush"},
)
c.set_confirmation_policy(ConfirmRisky())
log = c.state.events.append


def text(t):
    return [TextContent(text=t)]


def act(number, command):
    made = ActionEvent(
        thought=text(f"step {number}"),
        action=ExecuteBashAction(command=command),
        tool_name="execute_bash",
        tool_call_id=f"call_{number}",
        tool_call=MessageToolCall(id=f"call_{number}", name="execute_bash", arguments='{"command": "%s"}' % command, origin="completion"),
        llm_response_id=f"resp_{number}",
    )
    log(made)
    return {"action_id": made.id, "tool_name": "execute_bash", "tool_call_id": f"call_{number}"}


c.send_message("an old question")
first = act(1, "ls")
observation = ExecuteBashObservation(output="a.txt", command="ls", exit_code=0)
log(ObservationEvent(observation=observation, **first))
log(UserRejectObservation(rejection_reason="no", **act(2, "rm a.txt")))
failed = act(3, "false")
log(AgentErrorEvent(tool_name="execute_bash", tool_call_id=failed["tool_call_id"], error="it failed"))
log(PauseEvent())
log(MessageEvent(source="agent", llm_message=Message(role="assistant", content=text("an old answer"))))
log(Condensation(forgotten_event_ids=[first["action_id"], c.state.events[3].id], summary="it listed files", summary_offset=2))
c.send_message("another question")
print(c.id, file=answers)
answers.flush()
c.close()
