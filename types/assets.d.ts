/** esbuild's text loader (and test/text-transform.cjs under Jest) turn these files into their text. */
declare module "*.sql" {
  const text: string;
  export default text;
}
