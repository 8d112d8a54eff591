// The column of test people, the sample pictures, and the small windows.

import { $, gist, make } from "./dom.js";

export function drawPeople(people, current, choose) {
  const list = $("people");
  const focused = list.contains(document.activeElement);
  list.replaceChildren(...people.map(({ person, unread, last }) => {
    const words = make("span", { class: "person-words" },
      make("span", { class: "person-name" }, person.first_name), make("span", { class: "person-last" }, gist(last) || "No messages yet"));
    const chosen = person.id === current;
    return make("button", {
      type: "button", role: "tab", class: "person", "aria-selected": String(chosen), tabindex: chosen ? "0" : "-1",
      "aria-controls": "log", "aria-label": unread ? `${person.first_name}, ${unread} unread` : person.first_name,
      title: person.first_name, "data-testid": "person", "data-person-id": person.id, onclick: () => choose(person.id),
    }, make("span", { class: `avatar c${person.id % 7}`, "aria-hidden": "true" }, [...person.first_name][0].toUpperCase()),
    words, unread ? make("span", { class: "badge", "data-testid": "unread" }, String(unread)) : null);
  }));
  if (focused) list.querySelector("[aria-selected=true]")?.focus();
}

// Arrow keys move between the tabs, as the pattern for tab lists asks.
export function arrowsBetweenPeople(choose) {
  $("people").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const tabs = [...$("people").children];
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    choose(Number(next.dataset.personId));
  });
}

export async function drawSamples(use) {
  const answer = await fetch("api/samples/");
  const { samples } = await answer.json();
  const draw = () => samples.map((sample) => {
    const address = `api/samples/${sample.file}`;
    const shown = sample.as === "photo"
      ? make("img", { src: address, alt: "", width: 64, height: 64, loading: "lazy" })
      : make("span", { class: "sample-icon", "aria-hidden": "true" }, "DCM");
    return make("button", {
      type: "button", class: "sample", "data-testid": "sample", "data-sample": sample.file,
      onclick: async () => {
        const data = await (await fetch(address)).blob();
        $("samples-sheet").close();
        use(new File([data], sample.file, { type: data.type }), sample.as);
      },
    }, shown, make("span", {}, make("span", { class: "sample-title" }, sample.title), make("span", { class: "sample-note" }, sample.note)));
  });
  $("samples").replaceChildren(...draw());
  $("samples-again").replaceChildren(...draw());
}

let toastTimer = 0;
export function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => {
    $("toast").hidden = true;
  }, 3500 + text.length * 25);
}

export function alertBox(text) {
  $("alert-text").textContent = text;
  if (!$("alert").open) $("alert").showModal();
}

export function view(address) {
  $("viewer-picture").src = address;
  $("viewer").showModal();
}

// A little menu beside a message; gone with the next click or key.
export function popup(place, entries) {
  const menu = $("menu");
  const back = document.activeElement;
  const close = () => {
    menu.hidden = true;
    document.removeEventListener("pointerdown", outside, true);
    back?.focus?.();
  };
  const outside = (event) => menu.contains(event.target) || close();
  menu.replaceChildren(...entries.map(([label, run]) =>
    make("button", {
      type: "button", role: "menuitem",
      onclick: () => {
        close();
        run();
      },
    }, label)));
  menu.onkeydown = (event) => {
    const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (to) document.activeElement[to]?.focus();
    if (event.key === "Escape") close();
  };
  menu.hidden = false;
  const box = menu.getBoundingClientRect();
  const corner = place instanceof Element ? place.getBoundingClientRect() : { left: place.clientX, bottom: place.clientY };
  menu.style.left = `${Math.max(8, Math.min(corner.left, innerWidth - box.width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(corner.bottom, innerHeight - box.height - 8))}px`;
  menu.firstElementChild?.focus();
  document.addEventListener("pointerdown", outside, true);
}
