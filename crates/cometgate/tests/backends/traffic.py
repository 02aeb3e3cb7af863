"""What is sent through the gateway, and how its route map is changed before."""

import json
import urllib.error
import urllib.request

from server import DEADLINE

PROMPT = "never-in-a-trace"
BROKEN = {"status": 500, "error": {"message": "it broke", "type": "server_error", "code": None}}


def asked(gateway, model, key=None, **more):
    """The status of the answer to a chat, once that is whole."""
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], **more}
    headers = {"Authorization": f"Bearer {key or gateway.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway.base_url}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code


def share(route, share, routes):
    """What `init` has written, with another share of one route's canary."""
    before, name, after = routes.partition(f'name = "{route}"')
    assert 'share = "0%"' in after, routes
    return before + name + after.replace('share = "0%"', f'share = "{share}"', 1)
