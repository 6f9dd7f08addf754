import table from "./prices.json";

/** What one unit of something costs, and who says so. */
interface Price {
  readonly usd: number;
  readonly per: string;
  /** `documented`: AWS's page or an AWS-owned source; `second-hand`: others' copy of it; `unconfirmed`: to be checked before relying on it. */
  readonly evidence: string;
  readonly source: string;
  readonly date: string;
}

type PriceName = keyof (typeof table)["us-east-1"];

/** List prices of one region, USD. */
export type Prices = Readonly<Record<string, Price>> & Readonly<Record<PriceName, Price>>;

/** @throws Error naming the regions there are prices for */
export function pricesOf(region: string): Prices {
  const prices = (table as Readonly<Record<string, Prices>>)[region];
  if (!prices) {
    const known = Object.keys(table).join(", ");
    throw new Error(`--region ${region}: no prices; use one of ${known}, or add its prices to tools/cost/prices.json`);
  }
  return prices;
}

/** @throws Error naming the instance type that lacks a price */
export function instancePrice(prices: Prices, type: string): number {
  const price = prices[type];
  if (!price) throw new Error(`${type}: no price; add it to tools/cost/prices.json`);
  return price.usd;
}
