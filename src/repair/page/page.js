"use strict";
// One suspect after the other. What is decided is the server's: this page shows it, and asks for what is new.
const byId = (name) => document.getElementById(name);
const MARKS = { accept: "✓", reject: "✗", skip: "…" };
const WORDS = { accept: "Accepted.", reject: "Rejected.", skip: "Skipped." };
const POLL = 3000; // milliseconds between questions for what other tabs decided
const LISTED = 400; // suspects around the current one that the list shows

const page = {
  about: null,
  suspects: [],
  places: new Map(), // of the suspects, by id
  state: { revision: 0, written_revision: 0, decisions: {}, touched: {}, last: null },
  current: null, // the id of the suspect that is shown
  details: null, // of it, once it has arrived
  busy: false,
  isAway: false, // whether the server did not answer the last time
};

const say = (text, isWrong = false) => {
  byId("status").textContent = text;
  byId("status").className = isWrong ? "wrong" : "";
};

const pictureUrl = (picture) => `v1/pictures/${picture.id}?of=${page.about.picture_key}`;

const matches = (suspect) => {
  const kind = byId("kind").value;
  const state = byId("state").value;
  const decision = page.state.decisions[suspect.id];
  return (kind === "all" || suspect.kind === kind) && (state === "all" || (decision || "open") === state);
};

// The suspect before (-1) or after (1) the current one that fits; null where there is none.
const neighbour = (step, fits) => {
  let place = page.places.get(page.current) + step;
  while (place >= 0 && place < page.suspects.length) {
    if (fits(page.suspects[place])) return page.suspects[place].id;
    place += step;
  }
  return null;
};

const isOpen = (suspect) => !page.state.decisions[suspect.id];
const nextOpen = () => {
  const fits = (suspect) => isOpen(suspect) && (byId("kind").value === "all" || suspect.kind === byId("kind").value);
  return neighbour(1, fits) || page.suspects.find(fits)?.id || null;
};

const showCount = () => {
  const counts = { accept: 0, reject: 0, skip: 0 };
  for (const suspect of page.suspects) {
    const decision = page.state.decisions[suspect.id];
    if (decision) counts[decision] += 1;
  }
  const decided = counts.accept + counts.reject + counts.skip;
  byId("bar").max = page.suspects.length;
  byId("bar").value = decided;
  byId("count").textContent =
    `${decided} of ${page.suspects.length} decided: ${counts.accept} accepted, ${counts.reject} rejected, ${counts.skip} skipped`;
  const { out, log } = page.about;
  const isWritten = page.state.written_revision === page.state.revision;
  const failure = page.state.write_failure;
  const written = failure ? `cannot be written now (${failure})` : isWritten ? "is up to date" : "is being written";
  byId("files").textContent = `Corrected file: ${out}, which ${written}. Decisions: ${log}, each stored at once.`;
};

const showList = () => {
  const chosen = page.suspects.filter((suspect) => matches(suspect) || suspect.id === page.current);
  const middle = chosen.findIndex((suspect) => suspect.id === page.current);
  const begin = Math.max(0, Math.min(middle - LISTED / 2, chosen.length - LISTED));
  const items = chosen.slice(begin, begin + LISTED).map((suspect) => {
    const link = document.createElement("a");
    link.href = `#${suspect.id}`;
    const decision = page.state.decisions[suspect.id];
    const texts = [
      ["mark", MARKS[decision] || ""],
      ["kind", suspect.kind],
      ["name", `${suspect.class} · ${suspect.picture}`],
      ["number", suspect.certainty.toFixed(2)],
    ];
    for (const [name, text] of texts) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      link.append(part);
    }
    if (suspect.id === page.current) link.setAttribute("aria-current", "true");
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
  const list = byId("list");
  list.replaceChildren(...items);
  const active = list.querySelector("[aria-current]");
  if (active) list.scrollTop = active.offsetTop - list.offsetTop - list.clientHeight / 2;
};

const showDecision = () => {
  const decision = page.state.decisions[page.current];
  for (const name of ["accept", "reject", "skip"]) byId(name).setAttribute("aria-pressed", String(decision === name));
  byId("decided").textContent = WORDS[decision] || "Not decided yet.";
  byId("undo").disabled = page.state.last === null;
  byId("undo-words").textContent = page.state.last ? `Undo the last decision (${page.state.last})` : "Nothing to undo";
};

const showPicture = () => {
  if (!page.details) return;
  const shown = { zoom: byId("zoom").checked };
  for (const name of ["truth", "predictions", "masks", "boxes", "others"]) shown[name] = byId(`show-${name}`).checked;
  overlay.draw(byId("stage"), page.details, pictureUrl(page.details.picture), shown);
};

const takeState = (state) => {
  const isNew = state.revision !== page.state.revision;
  const isWritten = state.written_revision === page.state.written_revision && state.write_failure === page.state.write_failure;
  page.state = state;
  if (isNew || !isWritten) showCount();
  if (isNew) {
    showList();
    showDecision();
  }
  return isNew;
};

const prefetch = async () => {
  const id = nextOpen();
  if (!id || id === page.current) return;
  const { ok, content } = await ask(`v1/suspects/${encodeURIComponent(id)}`);
  if (ok) new Image().src = pictureUrl(content.picture);
};

const load = async (id) => {
  const { ok, content } = await ask(`v1/suspects/${encodeURIComponent(id)}`);
  if (id !== page.current) return;
  if (!ok) {
    say(content.error, true);
    return;
  }
  page.details = content;
  const place = page.places.get(id) + 1;
  byId("question").textContent = content.question;
  byId("accept-words").textContent = content.accept;
  byId("reject-words").textContent = content.reject;
  byId("where").textContent =
    `Suspect ${place} of ${page.suspects.length} (${id}), certainty ${content.certainty.toFixed(2)} · ${content.picture.name}`;
  byId("stage").setAttribute("aria-label", `${content.picture.name}: ${content.question}`);
  showPicture();
};

const show = async (id) => {
  if (!page.places.has(id)) {
    say(`There is no suspect ${id}.`, true);
    return;
  }
  page.current = id;
  page.details = null;
  if (location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
  showList();
  showDecision();
  await load(id);
  prefetch();
};

// One request at a time: a key that is held down decides nothing twice.
const alone = async (work) => {
  if (page.busy) return;
  page.busy = true;
  try {
    await work();
  } finally {
    page.busy = false;
  }
};

const refresh = async (content) => {
  if (content.state) takeState(content.state);
  await load(page.current);
};

const decide = (decision) =>
  alone(async () => {
    if (!page.details || page.details.id !== page.current) return;
    const id = page.current;
    const { ok, content } = await ask("v1/decisions", { suspect: id, decision, touched: page.details.touched });
    if (!ok) {
      say(content.error, true);
      await refresh(content);
      return;
    }
    takeState(content);
    const next = nextOpen();
    say(next ? "" : "Every suspect is decided. The corrected file holds what is accepted.");
    await show(next || id);
  });

const undo = () =>
  alone(async () => {
    const { ok, content } = await ask("v1/undo", { revision: page.state.revision });
    if (!ok) {
      say(content.error, true);
      await refresh(content);
      return;
    }
    takeState(content);
    say(`Undone: ${content.undone}.`);
    await show(page.places.has(content.undone) ? content.undone : page.current);
  });

const go = (id) => {
  if (id) show(id);
};

const toggle = (name) => {
  byId(name).checked = !byId(name).checked;
  showPicture();
};

const KEYS = {
  a: () => decide("accept"),
  r: () => decide("reject"),
  s: () => decide("skip"),
  u: undo,
  n: () => go(nextOpen()),
  ArrowRight: () => go(neighbour(1, matches)),
  ArrowLeft: () => go(neighbour(-1, matches)),
  t: () => toggle("show-truth"),
  p: () => toggle("show-predictions"),
  m: () => toggle("show-masks"),
  b: () => toggle("show-boxes"),
  o: () => toggle("show-others"),
  z: () => toggle("zoom"),
};

const poll = async () => {
  if (!page.busy && document.visibilityState === "visible") {
    const { ok, content } = await ask("v1/session");
    if (!ok) {
      say(content.error, true);
      page.isAway = true;
    } else if (page.isAway) {
      page.isAway = false;
      say("repair.py answers again.");
    }
    if (ok && !page.busy && takeState(content)) {
      say("Something was decided in another tab or window; this page shows it now.");
      await load(page.current);
    }
  }
  setTimeout(poll, POLL);
};

const start = async () => {
  const { ok, content } = await ask("v1/suspects");
  if (!ok) {
    say(content.error, true);
    return;
  }
  page.about = content;
  page.suspects = content.suspects;
  page.suspects.forEach((suspect, place) => page.places.set(suspect.id, place));
  page.state = content.state;
  byId("about").textContent = `${content.title} · ${content.annotation_file}`;
  const kinds = [["all", `all ${page.suspects.length}`], ...Object.entries(content.kinds).map(([kind, n]) => [kind, `${kind} (${n})`])];
  for (const [value, text] of kinds) byId("kind").append(new Option(text, value));
  byId("main").hidden = false;
  for (const decision of ["accept", "reject", "skip"]) byId(decision).addEventListener("click", () => decide(decision));
  byId("undo").addEventListener("click", undo);
  byId("before").addEventListener("click", KEYS.ArrowLeft);
  byId("next").addEventListener("click", KEYS.ArrowRight);
  byId("open").addEventListener("click", KEYS.n);
  for (const box of document.querySelectorAll("fieldset input")) box.addEventListener("change", showPicture);
  for (const name of ["kind", "state"]) byId(name).addEventListener("change", showList);
  window.addEventListener("hashchange", () => show(decodeURIComponent(location.hash.slice(1))));
  window.addEventListener("resize", showPicture);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.tagName === "SELECT") return;
    const work = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!work) return;
    event.preventDefault();
    work();
  });
  showCount();
  const linked = decodeURIComponent(location.hash.slice(1));
  await show(page.places.has(linked) ? linked : page.suspects.find(isOpen)?.id || page.suspects[0].id);
  setTimeout(poll, POLL);
};

start();
