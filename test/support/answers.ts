import type { Answer } from "../../lambdas/recommend/recommend";

/** An answer with its body read, as a client reads it. */
export async function read<Body>(answering: Promise<Answer<Body>>): Promise<Answer<Body> & { readonly body: Body }> {
  const answer = await answering;
  return { ...answer, body: JSON.parse(answer.text) };
}
