import { RemovalPolicy } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import {
  HttpApi,
  HttpMethod,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from "aws-cdk-lib/aws-apigatewayv2";
import { HttpIamAuthorizer, HttpJwtAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";

export interface ApiHandlers {
  /** `POST /v1/events` */
  readonly collect: IFunction;
  /** Everything that is read */
  readonly recommend: IFunction;
  /** What listeners ask about their own data */
  readonly privacy: IFunction;
}

/** Every route, and what answers it. */
export const routes: readonly {
  readonly method: "DELETE" | "GET" | "POST";
  readonly path: string;
  readonly to: keyof ApiHandlers;
}[] = [
  { method: "POST", path: "/v1/events", to: "collect" },
  { method: "GET", path: "/v1/listeners/{id}/recommendations", to: "recommend" },
  { method: "GET", path: "/v1/artists/{id}/similar", to: "recommend" },
  { method: "GET", path: "/v1/popular", to: "recommend" },
  { method: "GET", path: "/v1/health", to: "recommend" },
  { method: "DELETE", path: "/v1/listeners/{id}", to: "privacy" },
  { method: "GET", path: "/v1/listeners/{id}/data", to: "privacy" },
  { method: "GET", path: "/v1/requests/{id}", to: "privacy" },
];

/** The HTTP API: every route behind an authoriser, throttled, every request logged without what it carried. */
export class Api extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, config: EnvironmentConfig, handlers: ApiHandlers) {
    super(scope, id);
    const { auth, throttle } = config.api;
    const defaultAuthorizer: IHttpRouteAuthorizer =
      auth.type === "iam"
        ? new HttpIamAuthorizer()
        : new HttpJwtAuthorizer("Jwt", auth.issuer, { jwtAudience: [...auth.audience] });
    const api = new HttpApi(this, "Http", {
      apiName: `segue-${config.name}`,
      description: "Segue: collects events and answers recommendations",
      createDefaultStage: false,
      defaultAuthorizer,
    });
    const integrations = {
      collect: new HttpLambdaIntegration("Collect", handlers.collect),
      recommend: new HttpLambdaIntegration("Recommend", handlers.recommend),
      privacy: new HttpLambdaIntegration("Privacy", handlers.privacy),
    };
    for (const { method, path, to } of routes) {
      api.addRoutes({ path, methods: [HttpMethod[method]], integration: integrations[to] });
    }

    const logGroup = new LogGroup(this, "AccessLogs", {
      retention: config.logs.retentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    new HttpStage(this, "Stage", {
      httpApi: api,
      stageName: "$default",
      autoDeploy: true,
      throttle: { rateLimit: throttle.rate, burstLimit: throttle.burst },
      detailedMetricsEnabled: true,
      accessLogSettings: { destination: new LogGroupLogDestination(logGroup), format: accessLogFormat },
    });
    // The attribute, not a name composed from the region: an account decides where its APIs answer.
    this.url = `${api.apiEndpoint}/`;
  }
}

/** No path parameters and no caller's address: a listener's id and place stay out of the log. */
const accessLogFormat = AccessLogFormat.custom(
  JSON.stringify({
    requestId: "$context.requestId",
    time: "$context.requestTime",
    route: "$context.routeKey",
    status: "$context.status",
    responseLength: "$context.responseLength",
    latency: "$context.responseLatency",
    integrationLatency: "$context.integrationLatency",
    error: "$context.error.message",
    integrationError: "$context.integrationErrorMessage",
  }),
);
