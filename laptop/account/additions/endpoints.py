"""An HTTP API's address that resolves on every machine.

MiniStack gives `http://<id>.execute-api.localhost:<port>`, which many resolvers do not know. The same API answers under
a path of the account's endpoint, so that is what `Fn::GetAtt Api.ApiEndpoint` gives here. A stage `$default` needs no
further segment.
"""

from __future__ import annotations

from .internals import need
from .settings import Settings

TYPE = "AWS::ApiGatewayV2::Api"


def install(settings: Settings) -> None:
    handler = need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")[TYPE]

    def resolvable(answer: tuple[str, dict]) -> tuple[str, dict]:
        api_id, attributes = answer
        return api_id, {**attributes, "ApiEndpoint": f"{settings.endpoint}/_aws/execute-api/{api_id}"}

    create, update = handler["create"], handler["update"]
    handler["create"] = lambda *arguments: resolvable(create(*arguments))
    handler["update"] = lambda *arguments: resolvable(update(*arguments))
