// What the pages do better with a script. All of them are whole without it.
"use strict";

(() => {
  const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";

  // Times, in the reader's own zone.
  const showTimes = (root) => {
    const form = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.textContent = form.format(at);
    }
  };

  // <… data-copy> gets a button that copies its text.
  const addCopyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const source of root.querySelectorAll("[data-copy]:not([data-copy=ready])")) {
      source.dataset.copy = "ready";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      const what = source.dataset.copyName;
      if (what) button.setAttribute("aria-label", `Copy ${what}`);
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(source.textContent.trim());
          button.textContent = "Copied";
        } catch {
          button.textContent = "Select and copy";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      source.after(button);
    }
  };

  // <… id data-live="5"> is fetched again from the same page every 5 seconds, while somebody looks and the page says
  // that more can come. What somebody is at work in stays as it is.
  const keepLive = () => {
    const rounds = new Map();
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const seconds = Math.max(2, Number(part.dataset.live) || 10);
      rounds.set(seconds, [...(rounds.get(seconds) ?? []), part]);
    }
    for (const [seconds, parts] of rounds) setInterval(() => renew(parts), seconds * 1000);
  };

  const isInUse = (part) => part.contains(document.activeElement) || part.querySelector("input[type=checkbox]:checked");

  const renew = async (parts) => {
    const idle = parts.filter((part) => part.dataset.live && !isInUse(part));
    if (document.hidden || idle.length === 0) return;
    try {
      const response = await fetch(location.href, { credentials: "same-origin" });
      if (!response.ok || response.redirected) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of idle.filter((one) => !isInUse(one))) {
        const found = fresh.getElementById(part.id);
        if (found) become(part, found);
      }
    } catch { /* The next time. */ }
  };

  const become = (part, found) => {
    part.className = found.className;
    if (!found.dataset.live) delete part.dataset.live;
    if (found.innerHTML === part.dataset.was) return;
    part.dataset.was = found.innerHTML;
    part.replaceChildren(...found.childNodes);
    improve(part);
  };

  // <… data-check="PATH" data-check-into="ID"> is checked by the relay while somebody types in it.
  const checkWhileTyping = () => {
    for (const field of document.querySelectorAll("[data-check][data-check-into]")) {
      const into = document.getElementById(field.dataset.checkInto);
      if (!into) continue;
      let waiting;
      let newest = 0;
      field.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(async () => {
          const turn = ++newest;
          const body = new URLSearchParams({ text: field.value });
          try {
            const headers = { "x-csrf-token": csrf };
            const response = await fetch(field.dataset.check, { method: "POST", headers, body });
            if (!response.ok || response.redirected || turn !== newest) return;
            const answer = new DOMParser().parseFromString(await response.text(), "text/html");
            const problems = answer.querySelector(".problem");
            into.replaceChildren(...answer.body.childNodes);
            field.toggleAttribute("aria-invalid", false);
            if (problems) field.setAttribute("aria-invalid", "true");
          } catch { /* It is checked when it is sent. */ }
        }, 250);
      });
    }
  };

  // <input data-tick-all="NAME"> ticks all boxes of that name in its form.
  const tickAll = (root) => {
    for (const box of root.querySelectorAll("[data-tick-all]")) {
      box.hidden = false;
      box.addEventListener("change", () => {
        for (const one of box.form.querySelectorAll(`input[name="${box.dataset.tickAll}"]`)) one.checked = box.checked;
      });
    }
  };

  // <input type="file" data-max-octets="N"> says that files are too large before they are sent.
  const limitFiles = () => {
    for (const field of document.querySelectorAll("input[type=file][data-max-octets]")) {
      field.addEventListener("change", () => {
        const octets = [...field.files].reduce((sum, file) => sum + file.size, 0);
        field.setCustomValidity(octets > Number(field.dataset.maxOctets) ? field.dataset.tooLarge : "");
        field.reportValidity();
      });
    }
  };

  // A form is sent once, however often its button is pressed.
  const sendOnce = () => {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.method !== "post" || event.defaultPrevented) return;
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
    });
    window.addEventListener("pageshow", () => {
      for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    });
  };

  // On a phone the place where one is may be out of sight.
  const showPlace = () => {
    for (const here of document.querySelectorAll("nav [aria-current]")) {
      const places = here.parentElement;
      places.scrollLeft = here.offsetLeft - places.offsetLeft - (places.clientWidth - here.offsetWidth) / 2;
    }
  };

  // What is shown once is not shown again by going back.
  const forgetSecrets = () => {
    window.addEventListener("pagehide", () => {
      for (const part of document.querySelectorAll("[data-once]")) part.remove();
    });
  };

  const improve = (root) => {
    showTimes(root);
    addCopyButtons(root);
    tickAll(root);
  };

  improve(document);
  showPlace();
  keepLive();
  checkWhileTyping();
  limitFiles();
  sendOnce();
  forgetSecrets();
  document.querySelector(".summary[tabindex]")?.focus();
})();
