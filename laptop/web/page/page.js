/** How often the page looks whether an event has arrived, and how long before it gives up. */
const POLL_MS = 250;
const PATIENCE_MS = 60_000;

const sources = {
  personal: "their own list",
  segment: "the list of their age group and place",
  popular: "what is popular",
};

const element = (id) => document.getElementById(id);

/** An element with a class and children; strings become text, never markup. */
function build(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** The JSON of an answer; an error becomes an Error with the text of the problem document. */
async function ask(path, init) {
  const response = await fetch(path, init);
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const text = [body.title, body.detail].filter(Boolean).join(": ");
  throw new Error(text || `HTTP ${response.status}`);
}

function send(events) {
  return ask("api/v1/events", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ events }),
  });
}

/** The fields that tie an event to the answer in which the artist was shown. */
function eventFor(type, shown, item) {
  return {
    eventId: crypto.randomUUID(),
    type,
    listenerId: shown.listenerId,
    time: new Date().toISOString(),
    artistId: item.artistId,
    recommendationId: shown.recommendationId,
    release: shown.release,
    variant: shown.variant,
    position: item.rank,
    card: { artist: item.name.slice(0, 300), rank: item.rank, ...(item.genre && { genre: item.genre.slice(0, 100) }) },
  };
}

/** Sends a click and follows it until ETL has written it; `sent` is the place on the card that says how it went. */
async function click(shown, item, sent) {
  const event = eventFor("click", shown, item);
  const state = build("span", "state", "sending …");
  sent.className = "sent";
  sent.textContent = "click sent …";
  const entry = build("li", "", build("strong", "", "click"), ` on ${item.name} `, document.createElement("br"), state);
  element("events").prepend(entry);
  const start = performance.now();
  const elapsed = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  try {
    await send([event]);
    for (;;) {
      const { event: row } = await ask(`events/${event.eventId}`);
      if (row) {
        entry.className = "arrived";
        const from = [row.ageGroup, row.place].filter(Boolean).join(", ");
        sent.className = "sent arrived";
        sent.textContent = `click arrived after ${elapsed()}`;
        state.textContent = `in Postgres after ${elapsed()}${from ? `, as of a listener ${from}` : ""}`;
        return;
      }
      if (performance.now() - start > PATIENCE_MS) throw new Error(`not in Postgres after ${elapsed()}`);
      state.textContent = `taken by the API, on its way (${elapsed()})`;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } catch (error) {
    entry.className = "failed";
    sent.className = "sent failed";
    sent.textContent = "click not arrived";
    state.textContent = error.message;
  }
}

/** Tells the API what was shown: without impressions, clicks say little. */
async function impressions(shown) {
  if (shown.items.length === 0) return;
  try {
    const { accepted } = await send(shown.items.map((item) => eventFor("impression", shown, item)));
    element("shown").textContent =
      `${accepted} impressions sent for ${shown.listenerId}. Click an artist to send a click.`;
  } catch (error) {
    element("shown").textContent = `Impressions were not taken: ${error.message}`;
  }
}

/** A colour of its own for each artist. */
const hue = (id) => ([...id].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 9_973, 7) * 137.5) % 360;

function card(shown, item) {
  const disc = build("span", "disc", String(item.rank));
  disc.style.setProperty("--hue", hue(item.artistId));
  const score = build("span", "score", item.score.toFixed(2));
  score.title = "score, from -1 to 1";
  const why = [item.genre, item.reason?.text].filter(Boolean).join(" · ");
  const text = build("span", "text", build("span", "name", item.name), build("span", "why", why));
  const sent = build("span", "sent", "");
  const button = build("button", "", disc, text, score, sent);
  button.type = "button";
  button.addEventListener("click", () => click(shown, item, sent));
  return build("li", "", button);
}

function facts(shown) {
  const pairs = {
    list: sources[shown.source] ?? shown.source,
    release: `${shown.release} (${shown.variant})`,
    made: new Date(shown.generatedAt).toLocaleString(),
  };
  return Object.entries(pairs).map(([term, text]) => build("div", "", build("dt", "", term), build("dd", "", text)));
}

/** Counts what was asked for, so that a slow answer never covers a later one's. */
let asked = 0;

async function show(listenerId) {
  const turn = ++asked;
  const section = element("recommended");
  const problem = element("problem");
  section.setAttribute("aria-busy", "true");
  problem.hidden = true;
  element("plays").textContent = "";
  element("facts").replaceChildren();
  element("items").replaceChildren();
  element("what").textContent = `Recommended to ${listenerId}`;
  const id = encodeURIComponent(listenerId);
  try {
    const [shown, { artists }] = await Promise.all([
      ask(`api/v1/listeners/${id}/recommendations?limit=20`),
      ask(`listeners/${id}/plays`),
    ]);
    if (turn !== asked) return;
    const played = artists.map((artist) => `${artist.name} (${artist.plays})`).join(", ");
    element("plays").textContent = played ? `Plays most: ${played}` : "Has played nothing yet.";
    element("facts").replaceChildren(...facts(shown));
    element("items").replaceChildren(...shown.items.map((item) => card(shown, item)));
    impressions(shown);
  } catch (error) {
    if (turn !== asked) return;
    problem.textContent = error.message;
    problem.hidden = false;
  } finally {
    if (turn === asked) section.setAttribute("aria-busy", "false");
  }
}

function quality({ protocol, metrics }) {
  const columns = { "Recall@20": "recall@20", "NDCG@20": "ndcg@20" };
  const head = build("tr", "", build("th", "", ""), ...Object.keys(columns).map((title) => build("th", "", title)));
  const rows = ["model", "popularity", "random"].map((name) => {
    const cells = Object.values(columns).map((key) => build("td", "", metrics[name]?.[key]?.toFixed(4) ?? "–"));
    const title = build("th", "", name);
    title.scope = "row";
    return build("tr", "", title, ...cells);
  });
  for (const title of head.children) title.scope = "col";
  element("quality").replaceChildren(build("thead", "", head), build("tbody", "", ...rows));
  const cutoff = new Date(protocol.cutoff).toLocaleDateString();
  element("protocol").textContent =
    `Trained on what was heard before ${cutoff}, asked for what ${protocol.listeners} listeners found after it.`;
}

function option({ listenerId, ageGroup, place, plays }) {
  const who = [ageGroup, place].filter(Boolean).join(", ");
  const node = build("option", "", [listenerId, who, `${plays} plays`].filter(Boolean).join(" · "));
  node.value = listenerId;
  return node;
}

const sample = element("sample");
const id = element("id");
sample.addEventListener("change", () => {
  id.value = "";
  show(sample.value);
});
element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  show(id.value.trim() || sample.value);
});

try {
  const [{ listeners }, evaluation] = await Promise.all([ask("listeners"), ask("evaluation")]);
  sample.replaceChildren(...listeners.map(option));
  quality(evaluation);
  if (listeners.length > 0) await show(listeners[0].listenerId);
} catch (error) {
  element("problem").textContent = error.message;
  element("problem").hidden = false;
}
