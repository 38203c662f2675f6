#!/usr/bin/env python3
"""A whole client of agent-rpc: minimal_client.py "TASK" [agent-rpc binary]"""
import json, os, pathlib, subprocess, sys

server = subprocess.Popen([sys.argv[2] if len(sys.argv) > 2 else "agent-rpc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
last_id = 0

def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    server.stdin.flush()

def receive():
    length = 0
    while (line := server.stdout.readline().strip()):
        length = int(line.split(b":")[1])
    return json.loads(server.stdout.read(length)) if length else sys.exit("the server is gone")

def notified(message):
    """Prints an event; tells whether the run is over, or waits for an approval."""
    params = message.get("params", {})
    if message.get("method") == "conversation/event":
        print(params["event"]["kind"], params.get("display", {}).get("title", ""), flush=True)
    if message.get("method") == "conversation/stateChanged" and params.get("stopReason"):
        print("ended:", params["stopReason"])
        return True

def call(method, **params):
    global last_id
    send(id=(last_id := last_id + 1), method=method, params=params)
    while (message := receive()).get("id") != last_id or "method" in message:
        notified(message)
    return message["result"] if "result" in message else sys.exit(message["error"]["message"])

workspace = pathlib.Path.cwd().as_uri()
call("initialize", processId=os.getpid(), rootUri=workspace, capabilities={}, initializationOptions={"agentRpc": {"versions": [1], "confirmation": {}}})
send(method="initialized", params={})
policy = {"kind": "ConfirmRisky", "threshold": "MEDIUM", "confirm_unknown": True}
conversation = call("conversation/create", workspace=workspace, confirmationPolicy=policy, securityAnalyzer={"kind": "LLMSecurityAnalyzer"})["conversation"]
call("conversation/sendMessage", id=conversation["id"], message=sys.argv[1], run=True)
while not notified(receive()):
    pass
call("shutdown")
send(method="exit")
server.wait()
