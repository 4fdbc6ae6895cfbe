"use strict";
// The page: pictures from files, the clipboard, a drop or the camera go to /v1/predict; what comes back is drawn.
(() => {
  const one = (id) => document.getElementById(id);
  const canvas = one("canvas");
  const pictures = []; // {name, image, url, told, answer}
  const hiddenClasses = new Set();
  let current = null;
  let active = null;
  let token = "";

  // ---- words to the reader

  const say = (text, isWrong = false) => {
    one("status").textContent = text;
    one("status").classList.toggle("wrong", isWrong);
  };

  // ---- the server

  class Refused extends Error {
    constructor(reason, status = 0) {
      super(reason);
      this.status = status;
    }
  }

  const ask = async (path, options = {}) => {
    const headers = { ...options.headers };
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Refused("the server does not answer");
    }
    if (response.status === 401) {
      one("token-form").hidden = false;
      one("token").focus();
    }
    const answer = await response.json().catch(() => ({ error: `status ${response.status}` }));
    if (!response.ok) throw new Refused(answer.error, response.status);
    return answer;
  };

  const loadModel = async () => {
    try {
      const model = await ask("v1/model");
      const names = model.classes.map(({ name }) => name);
      const few = names.length > 12 ? `${names.slice(0, 12).join(", ")} … (${names.length} classes)` : names.join(", ");
      one("model").textContent = `${model.name}: ${few}`;
      one("token-form").hidden = true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      one("model").textContent = error.message;
      if (error.status === 503) setTimeout(loadModel, 2000);
    }
  };

  // ---- pictures

  // The picture as the server sees it, EXIF-rotated; null where the browser cannot show it (TIFF).
  const shownImage = (blob) => createImageBitmap(blob, { imageOrientation: "from-image" }).catch(() => null);

  const blank = (width, height) => {
    const empty = document.createElement("canvas");
    empty.width = width;
    empty.height = height;
    return empty;
  };

  const add = async (blob, name) => {
    say(`${name}: asking the network …`);
    const start = performance.now();
    try {
      const kind = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
      const options = { method: "POST", body: blob, headers: { "Content-Type": kind } };
      const answer = await ask("v1/predict?masks=polygons&threshold=0", options);
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      const image = await shownImage(blob);
      const url = image ? URL.createObjectURL(blob) : "";
      const told = image ? `answered in ${seconds} s` : "this browser cannot show the picture itself";
      const picture = { name, url, told, image: image || blank(answer.width, answer.height), answer };
      pictures.push(picture);
      show(picture);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      say(`${name}: ${error.message}`, true);
    }
  };

  const addAll = async (blobs) => {
    for (const blob of blobs) await add(blob, blob.name || "pasted.png");
  };

  // ---- the result

  const shownObjects = () => {
    const lowest = Number(one("score").value);
    return current.answer.objects.filter(
      ({ score, category }) => score >= lowest && !hiddenClasses.has(category),
    );
  };

  const redraw = () => {
    const shown = Object.fromEntries(["masks", "boxes", "names"].map((name) => [name, one(`show-${name}`).checked]));
    drawing.draw(canvas, current.image, current.answer, shownObjects(), shown, active);
    for (const button of one("objects").querySelectorAll("button")) {
      button.classList.toggle("active", button.object === active);
    }
  };

  const activate = (object) => {
    if (object === active) return;
    active = object;
    redraw();
  };

  const swatch = (tone) => {
    const mark = document.createElement("canvas");
    mark.width = mark.height = 1;
    const context = mark.getContext("2d");
    context.fillStyle = tone;
    context.fillRect(0, 0, 1, 1);
    return mark;
  };

  const span = (className, text) => {
    const element = document.createElement("span");
    element.className = className;
    element.textContent = text;
    return element;
  };

  const objectRow = (object) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.object = object;
    button.append(swatch(drawing.toneOf(object)), span("name", object.category), span("number", object.score.toFixed(2)));
    button.addEventListener("mouseenter", () => activate(object));
    button.addEventListener("mouseleave", () => activate(null));
    button.addEventListener("focus", () => activate(object));
    button.addEventListener("blur", () => activate(null));
    row.append(button);
    return row;
  };

  const showObjects = () => {
    active = null;
    const objects = shownObjects();
    const all = current.answer.objects.length;
    one("score-value").textContent = Number(one("score").value).toFixed(2);
    one("count").textContent = `${objects.length} of ${all} object${all === 1 ? "" : "s"} shown`;
    one("objects").replaceChildren(...objects.map(objectRow));
    redraw();
  };

  const showClasses = () => {
    const counts = new Map();
    for (const { category } of current.answer.objects) counts.set(category, (counts.get(category) || 0) + 1);
    const labels = [...counts.keys()].sort().map((name) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = name;
      box.checked = !hiddenClasses.has(name);
      box.addEventListener("change", () => {
        if (box.checked) hiddenClasses.delete(name);
        else hiddenClasses.add(name);
        showObjects();
      });
      label.append(box, name);
      return label;
    });
    one("classes").replaceChildren(one("classes").querySelector("legend"), ...labels);
    one("classes").hidden = labels.length === 0;
  };

  const showList = () => {
    one("pictures").hidden = pictures.length < 2;
    one("pictures").replaceChildren(
      ...pictures.map((picture) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = picture.name;
        button.setAttribute("aria-label", picture.name);
        button.setAttribute("aria-current", String(picture === current));
        if (picture.url) {
          const image = document.createElement("img");
          image.src = picture.url;
          image.alt = "";
          button.append(image);
        } else {
          button.append(span("none", "no view"));
        }
        button.addEventListener("click", () => show(picture));
        return button;
      }),
    );
  };

  const show = (picture) => {
    current = picture;
    say(`${picture.name}: ${picture.told}`);
    const factor = drawing.factorOf(picture.answer);
    canvas.width = picture.answer.width * factor;
    canvas.height = picture.answer.height * factor;
    document.body.classList.add("has-result");
    one("result").hidden = false;
    showList();
    showClasses();
    showObjects();
  };

  const showNeighbour = (step) => {
    const index = pictures.indexOf(current) + step;
    if (pictures[index]) show(pictures[index]);
  };

  const underPointer = (event) => {
    const place = canvas.getBoundingClientRect();
    const { width, height } = current.answer;
    // `object-fit: contain` leaves room at two sides of the picture.
    const scale = Math.min(place.width / width, place.height / height);
    const x = (event.clientX - place.left - (place.width - width * scale) / 2) / scale;
    const y = (event.clientY - place.top - (place.height - height * scale) / 2) / scale;
    return drawing.objectAt(canvas, shownObjects(), x, y);
  };

  // ---- what the reader does

  one("choose").addEventListener("click", () => one("file").click());
  one("file").addEventListener("change", async (event) => {
    const chosen = [...event.target.files];
    event.target.value = "";
    await addAll(chosen);
  });
  one("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = one("token").value.trim();
    loadModel();
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].filter(({ type }) => type.startsWith("image/"));
    if (pasted.length) addAll(pasted);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    one("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) one("drop").classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    one("drop").classList.remove("over");
    addAll([...event.dataTransfer.files]);
  });
  camera.prepare((blob) => add(blob, "camera.jpg"), (reason) => say(reason, true));

  one("score").addEventListener("input", showObjects);
  for (const name of ["masks", "boxes", "names"]) one(`show-${name}`).addEventListener("change", redraw);
  canvas.addEventListener("pointermove", (event) => activate(underPointer(event)));
  canvas.addEventListener("pointerdown", (event) => activate(underPointer(event)));
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && activate(null));
  window.addEventListener("resize", () => current && redraw());

  one("save-json").addEventListener("click", () => files.saveJson(current, shownObjects()));
  one("save-labelme").addEventListener("click", () => files.saveLabelme(current, shownObjects()));
  one("save-drawing").addEventListener("click", () => {
    activate(null);
    files.saveDrawing(current, canvas);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=password]")) return;
    if (event.key === "o") one("file").click();
    else if (event.key === "," && current) showNeighbour(-1);
    else if (event.key === "." && current) showNeighbour(1);
    else if (event.key.startsWith("Arrow") && event.target.closest("#objects")) {
      const row = event.target.closest("li");
      const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
      if (next) {
        event.preventDefault();
        next.firstElementChild.focus();
      }
    }
  });

  loadModel();
})();
