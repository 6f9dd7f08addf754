import { senderOf } from "../../../lambdas/shared/sender";

const token = (claims: Record<string, unknown>) => ({ jwt: { claims } });

test.each<[string, Parameters<typeof senderOf>[0], string | undefined]>([
  ["AWS credentials", undefined, undefined],
  ["AWS credentials, as an HTTP API tells of them", {}, undefined],
  ["a listener", token({ sub: "l1" }), "l1"],
  ["a listener with other scopes", token({ sub: "l1", scope: "openid segue/send-more profile" }), "l1"],
  ["a token of nobody", token({}), ""],
  ["a token of several", token({ sub: ["l1", "l2"] }), ""],
  ["a service by scope", token({ sub: "client", scope: "openid segue/send" }), undefined],
  ["a service by scp, a list", token({ sub: "client", scp: ["segue/send"] }), undefined],
  ["a service by scp, as an HTTP API writes lists", token({ sub: "client", scp: "[openid segue/send]" }), undefined],
])("%s", (_, authorizer, sender) => {
  expect(senderOf(authorizer, "segue/send")).toBe(sender);
});

test("no scope makes a service where none is configured", () => {
  expect(senderOf(token({ sub: "l1", scope: "" }), "")).toBe("l1");
});
