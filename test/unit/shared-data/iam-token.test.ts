import { AwsV4Signer } from "aws4fetch";
import { elastiCacheToken, lambdaIdentity, rdsToken, TOKEN_SECONDS } from "../../../lambdas/shared/iam-token";

const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "IQoJb3JpZ2luX2VjE+/=",
};
const now = new Date("2026-11-22T03:52:00Z");

/** The same presigned request from another implementation of SigV4. */
const independent = async (service: string, url: string, signingCredentials = credentials): Promise<URL> => {
  const target = new URL(url);
  target.searchParams.set("X-Amz-Expires", String(TOKEN_SECONDS));
  const signer = new AwsV4Signer({
    ...signingCredentials,
    service,
    region: "eu-west-1",
    url: target.toString(),
    datetime: "20261122T035200Z",
    signQuery: true,
  });
  return (await signer.sign()).url;
};
const parameters = (url: string | URL) => Object.fromEntries(new URL(url).searchParams);

test("the RDS token is the presigned connect request without its scheme", async () => {
  const token = await rdsToken({
    host: "db.example.com",
    port: 5432,
    user: "segue_etl",
    region: "eu-west-1",
    credentials,
    now,
  });
  expect(token).toMatch(/^db\.example\.com:5432\/\?Action=connect&DBUser=segue_etl&/);
  const expected = await independent("rds-db", "https://db.example.com:5432/?Action=connect&DBUser=segue_etl");
  expect(parameters(`https://${token}`)).toEqual(parameters(expected));
  expect(parameters(`https://${token}`)["X-Amz-Expires"]).toBe("900");
});

test("the ElastiCache token names the cache in lower case, the user and the serverless resource type", async () => {
  const token = await elastiCacheToken({
    cacheName: "Segue-Dev",
    user: "segue-recommend",
    region: "eu-west-1",
    credentials,
    now,
  });
  expect(token.startsWith("segue-dev/?Action=connect")).toBe(true);
  const expected = await independent(
    "elasticache",
    "https://segue-dev/?Action=connect&User=segue-recommend&ResourceType=ServerlessCache",
  );
  expect(parameters(`https://${token}`)).toEqual(parameters(expected));
});

test("a session token is part of what is signed, and left out when there is none", async () => {
  const { sessionToken: _, ...lasting } = credentials;
  const token = await rdsToken({ host: "db", port: 1, user: "u", region: "eu-west-1", credentials: lasting, now });
  expect(token).not.toContain("X-Amz-Security-Token");
  const withSession = await rdsToken({ host: "db", port: 1, user: "u", region: "eu-west-1", credentials, now });
  expect(parameters(`https://${withSession}`)["X-Amz-Security-Token"]).toBe(credentials.sessionToken);
  expect(parameters(`https://${withSession}`)["X-Amz-Signature"]).not.toBe(
    parameters(`https://${token}`)["X-Amz-Signature"],
  );
});

test("the Lambda runtime's identity is read from the environment; what is missing is named", () => {
  const environment = { AWS_REGION: "eu-west-1", AWS_ACCESS_KEY_ID: "A", AWS_SECRET_ACCESS_KEY: "S" };
  expect(lambdaIdentity(environment)).toEqual({
    region: "eu-west-1",
    credentials: { accessKeyId: "A", secretAccessKey: "S" },
  });
  expect(lambdaIdentity({ ...environment, AWS_SESSION_TOKEN: "T" }).credentials.sessionToken).toBe("T");
  expect(() => lambdaIdentity({ ...environment, AWS_REGION: "" })).toThrow("AWS_REGION is not set");
});
