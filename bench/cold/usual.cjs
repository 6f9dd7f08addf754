/** The same answer by the usual choices, loaded from node_modules: the SDK's client beside ioredis' successor, JSON in the cache. */
const { S3Client } = require("@aws-sdk/client-s3");
const { Cluster } = require("iovalkey");
const { randomUUID } = require("node:crypto");

exports.lake = new S3Client({});
const { CACHE_HOST: host, CACHE_PORT: port, CACHE_USER: username } = process.env;
const cache = new Cluster([{ host, port: Number(port) }], {
  dnsLookup: (address, callback) => callback(null, address),
  redisOptions: { username, password: "token", enableReadyCheck: false },
  enableReadyCheck: false,
});

exports.handler = async ({ pathParameters: { id } }) => {
  const { champion } = JSON.parse(await cache.get("segue:pointer"));
  const list = JSON.parse(await cache.get(`r:${champion}:json:${id}`));
  return { statusCode: 200, body: JSON.stringify({ recommendationId: randomUUID(), listenerId: id, ...list }) };
};
