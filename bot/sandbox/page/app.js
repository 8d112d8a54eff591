// The chat page: keeps what the sandbox knows of each test person, and shows the chosen one's chat.

import { Refused, api, follow } from "./api.js";
import { Composer } from "./composer.js";
import { $, gist, make } from "./dom.js";
import { Log } from "./messages.js";
import { alertBox, arrowsBetweenPeople, drawPeople, drawSamples, popup, toast, view } from "./people.js";

const ACTIONS = {
  typing: "typing", upload_photo: "sending a photo", upload_document: "sending a file", record_voice: "recording",
  upload_voice: "sending a voice message", upload_video: "sending a video", record_video: "recording", choose_sticker: "choosing a sticker", find_location: "finding a place",
};
const FIRST_PEOPLE = ["Ann", "Boris"];
const chats = new Map();
let current = 0;

const chat = () => chats.get(current);
const path = (rest) => `people/${current}${rest}`;

// Runs something that talks to the sandbox; what it refuses is said in words.
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message);
    return null;
  }
}

const log = new Log({
  view,
  command: (text) => composer.act.text(text),
  copy: async (text) => {
    await navigator.clipboard?.writeText(text);
    toast("Copied");
  },
  jump(id) {
    const node = $("log").querySelector(`[data-message-id="${id}"]`);
    node?.scrollIntoView({ block: "center", behavior: "smooth" });
    node?.classList.remove("flash");
    requestAnimationFrame(() => node?.classList.add("flash"));
  },
  async press(message, button, node) {
    node.setAttribute("aria-busy", "true");
    const result = await attempt(() => api(path("/press"), { message_id: message.message_id, data: button.callback_data, wait: 15 }));
    node.removeAttribute("aria-busy");
    const answer = result?.answer;
    if (answer?.show_alert) alertBox(answer.text);
    else if (answer?.text) toast(answer.text);
    if (/^https?:/i.test(answer?.url || "")) open(answer.url, "_blank", "noopener");
  },
  menu(message, place) {
    const text = message.text || message.caption;
    const entries = [["Reply", () => composer.replyTo(message)]];
    if (text) entries.push(["Copy text", () => log.act.copy(text)]);
    if (text && !message.from.is_bot && !message.forward_origin) entries.push(["Edit", () => composer.editing(message)]);
    if (!message.has_protected_content) {
      for (const other of chats.values()) {
        const name = other.person.id === current ? "Forward to the bot" : `Forward as ${other.person.first_name}`;
        entries.push([name, () => forward(message, other.person.id)]);
      }
    }
    popup(place, entries);
  },
});

async function forward(message, to) {
  const source = { from_person: current, message_id: message.message_id };
  await attempt(() => api(`people/${to}/forward`, source));
  if (to !== current) choose(to);
}

const composer = new Composer({
  text: (text, replyTo) => attempt(() => api(path("/text"), { text, reply_to: replyTo || 0 })),
  edit: (message, text) => attempt(() => api(path("/edit"), { message_id: message.message_id, text })),
  async files(files, as, caption, replyTo) {
    const form = new FormData();
    form.append("as", as);
    form.append("caption", caption);
    if (replyTo) form.append("reply_to", replyTo);
    for (const file of files) form.append("file", file, file.name);
    $("bot-status").textContent = "sending…";
    await attempt(() => api(path("/files"), form));
    drawBar();
  },
});

// ---- what is shown ------------------------------------------------------------------------------------------------

// The log stays at its end until somebody scrolls up; pictures that load late must not push the end away.
let stuck = true;
let lastTop = 0;

function nearBottom() {
  const box = $("log");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 90;
}

function toBottom(smooth) {
  const box = $("log");
  const near = box.scrollHeight - box.scrollTop - box.clientHeight < 700;
  stuck = true;
  box.scrollTo({ top: box.scrollHeight, behavior: smooth && near ? "smooth" : "auto" });
}

function scrolled() {
  const { scrollTop } = $("log");
  if (nearBottom()) stuck = true;
  else if (scrollTop < lastTop) stuck = false;
  lastTop = scrollTop;
  $("to-bottom").hidden = stuck;
  if (stuck && chat()) chat().unseen = 0;
}

function about(bot) {
  return {
    key: bot.name + bot.description,
    draw: () => make("div", { class: "about", "data-testid": "description" },
      make("img", { src: "icon.svg", alt: "", width: 84, height: 84 }), make("h2", {}, bot.name),
      make("p", {}, bot.description || bot.short_description || "Press START to begin.")),
  };
}

function drawBar() {
  const { bot, action } = chat();
  $("bot-name").textContent = bot.name;
  $("bot-status").textContent = action ? ACTIONS[action] || action : chat().person.blocked ? "bot · blocked by you" : "bot";
  $("bot-status").classList.toggle("busy", !!action);
  document.title = `${bot.name} · sandbox chat`;
}

function drawComposer() {
  const { person, bot, messages } = chat();
  const fresh = !messages.size && !person.started;
  $("start").hidden = !fresh;
  $("line").hidden = fresh;
  composer.commands = bot.commands;
  $("menu-button").hidden = !bot.commands.length || bot.menu_button.type !== "commands";
  const newest = [...messages.values()].reverse().find((message) => message.shown.keyboard);
  const rows = newest?.shown.keyboard.keyboard;
  $("keyboard").hidden = !rows;
  $("keyboard").replaceChildren(...(rows || []).map((row) =>
    make("div", { class: "keys-row" }, ...row.map((button) =>
      make("button", { type: "button", onclick: () => composer.act.text(button.text) }, button.text)))));
}

function drawPinned() {
  const pinned = [...chat().messages.values()].filter((message) => message.shown.pinned).at(-1);
  $("pinned").hidden = !pinned;
  $("pinned").replaceChildren(make("b", {}, "Pinned message"), make("span", {}, gist(pinned)));
  $("pinned").onclick = () => log.act.jump(pinned.message_id);
}

function draw({ stick = stuck, smooth = true } = {}) {
  const { messages, bot, draft, unseen } = chat();
  log.show([...messages.values()], { draft, empty: about(bot) });
  drawBar();
  drawComposer();
  drawPinned();
  if (stick) toBottom(smooth);
  $("to-bottom-count").hidden = !unseen;
  $("to-bottom-count").textContent = unseen;
}

function drawTabs() {
  const list = [...chats.values()].map(({ person, unread, last }) => ({ person, unread, last }));
  drawPeople(list, current, choose);
  const elsewhere = list.reduce((sum, { unread }) => sum + unread, 0);
  if (elsewhere) document.title = `(${elsewhere}) ${document.title.replace(/^\(\d+\) /, "")}`;
}

async function choose(id) {
  current = id;
  sessionStorage.setItem("person", id);
  const mine = chat();
  if (!mine.loaded) await load(mine);
  if (current !== id) return;
  mine.unread = mine.unseen = 0;
  composer.drop();
  log.clear();
  draw({ stick: true, smooth: false });
  drawTabs();
  $("to-bottom").hidden = true;
}

async function load(mine) {
  const { person, bot, messages } = await api(`people/${mine.person.id}`);
  mine.person = person;
  mine.bot = bot;
  mine.messages = new Map(messages.map((message) => [message.message_id, message]));
  mine.last = messages.at(-1);
  mine.loaded = true;
}

function know(person) {
  const nothing = { bot: null, messages: new Map(), unread: 0, unseen: 0, loaded: false, action: "", draft: null };
  if (!chats.has(person.id)) chats.set(person.id, { person, ...nothing });
}

// ---- what happens -------------------------------------------------------------------------------------------------

function quiet(mine) {
  clearTimeout(mine.timer);
  mine.action = "";
  mine.draft = null;
}

const happenings = {
  person: (_mine, { person }) => know(person),
  message(mine, { message }) {
    mine.messages.set(message.message_id, message);
    mine.last = message;
    if (!message.from.is_bot) mine.person.started = true;
    else {
      quiet(mine);
      if (mine.person.id !== current) mine.unread += 1;
      else if (!stuck) mine.unseen += 1;
    }
  },
  edit(mine, { message }) {
    if (mine.messages.has(message.message_id)) mine.messages.set(message.message_id, message);
    if (mine.last?.message_id === message.message_id) mine.last = message;
  },
  delete(mine, { message_id: id }) {
    mine.messages.delete(id);
    mine.last = [...mine.messages.values()].at(-1);
  },
  read(mine, { message_id: id }) {
    const message = mine.messages.get(id);
    if (message) mine.messages.set(id, { ...message, shown: { ...message.shown, read: true } });
  },
  action(mine, { action }) {
    clearTimeout(mine.timer);
    mine.action = action;
    mine.timer = setTimeout(() => {
      mine.action = "";
      if (mine.person.id === current) drawBar();
    }, 5200);
  },
  draft(mine, { message }) {
    clearTimeout(mine.draftTimer);
    mine.draft = message;
    mine.draftTimer = setTimeout(() => {
      mine.draft = null;
      if (mine.person.id === current) draw();
    }, 30000);
  },
  blocked: (mine, { blocked }) => {
    mine.person.blocked = blocked;
  },
};

async function happened(events) {
  let profile = false;
  const mineSpoke = events.some((event) => event.person_id === current && event.type === "message" && !event.message.from.is_bot);
  const stick = mineSpoke || stuck;
  for (const event of events) {
    profile ||= event.type === "profile";
    const mine = chats.get(event.person_id);
    if (event.person_id === null || mine) happenings[event.type]?.(mine, event);
  }
  if (profile) await Promise.all([...chats.values()].filter((mine) => mine.loaded).map(load));
  if (!events.length || !chat()?.loaded) return;
  if (events.some((event) => event.person_id === current || event.person_id === null)) draw({ stick });
  drawTabs();
}

const buttons = {
  send: () => composer.send(),
  attach: () => $("files").click(),
  menu: () => composer.toggleMenu(),
  "drop-context": () => composer.drop(),
  start: () => composer.act.text("/start"),
  tools: () => popup($("tools"), tools()),
  samples: () => $("samples-sheet").showModal(),
  "to-bottom": () => toBottom(true),
  "add-person": () => {
    $("new-person").returnValue = $("new-name").value = "";
    $("new-person").showModal();
  },
};

// What a phone's app offers and this page has no place for; each is something that a bot must bear.
function tools() {
  const { blocked } = chat().person;
  const sendAs = (as, name, type, data, more = {}) => () => {
    const form = new FormData();
    form.append("as", as);
    for (const [key, value] of Object.entries(more)) form.append(key, value);
    form.append("file", new File([data], name, { type }));
    return attempt(() => api(path("/files"), form));
  };
  return [
    ["Send a sticker", sendAs("sticker", "sticker.webp", "image/webp", "sticker", { emoji: "👋" })],
    ["Send a voice message", sendAs("voice", "voice.oga", "audio/ogg", "OggS", { seconds: 4 })],
    ["Send a video", sendAs("video", "video.mp4", "video/mp4", "video", { seconds: 4 })],
    [blocked ? "Unblock the bot" : "Block the bot", () => attempt(() => api(path("/block"), { blocked: !blocked }))],
  ];
}

async function addPerson() {
  const name = $("new-name").value.trim();
  if ($("new-person").returnValue !== "add" || !name) return;
  const person = await attempt(() => api("people", { name }));
  if (!person) return;
  know(person);
  await choose(person.id);
}

function enterMeansStrong(dialog) {
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.type !== "text") return;
    event.preventDefault();
    dialog.querySelector(".strong").click();
  });
}

async function begin() {
  // A font that comes after its first letters is not drawn with in Chromium: those of the bot's languages come first.
  await Promise.allSettled(["ह", "ع"].map((letter) => document.fonts.load("16px 'Spoken Scripts'", letter)));
  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act) buttons[act]();
    else if (!event.target.closest("#suggestions")) composer.suggest([]);
  });
  $("new-person").addEventListener("close", addPerson);
  $("viewer").addEventListener("click", () => $("viewer").close());
  for (const id of ["sheet", "new-person"]) enterMeansStrong($(id));
  $("log").addEventListener("scroll", scrolled);
  $("log").addEventListener("load", () => stuck && toBottom(false), true);
  new ResizeObserver(() => stuck && toBottom(false)).observe($("log"));
  arrowsBetweenPeople(choose);
  const state = await api("state");
  if (!state.people.length) for (const name of FIRST_PEOPLE) state.people.push(await api("people", { name }));
  state.people.forEach(know);
  await Promise.all([...chats.values()].map(load));
  const before = Number(sessionStorage.getItem("person"));
  await choose(chats.has(before) ? before : state.people[0].id);
  follow(state.seq, happened, async (connected, again) => {
    if (!connected) $("bot-status").textContent = "connecting…";
    else if (again && (await api("state")).started !== state.started) location.reload();
    else drawBar();
  });
  await drawSamples((file) => composer.offer([file]));
  document.body.dataset.ready = "yes";
}

begin().catch((error) => {
  document.body.replaceChildren(make("p", { class: "noscript" }, error.message));
  throw error;
});
