// Node takes a .sql file for JavaScript; the bundler and the tests take it for text.
const { readFileSync } = require("node:fs");
require("node:module")._extensions[".sql"] = (module, file) => {
  module.exports = readFileSync(file, "utf8");
};
