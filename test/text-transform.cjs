// Jest's twin of esbuild's text loader: `import sql from "./x.sql"` gives the file's text.
module.exports = {
  process: (text) => ({ code: `module.exports = { __esModule: true, default: ${JSON.stringify(text)} };` }),
};
