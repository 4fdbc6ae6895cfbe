"use strict";
// A picture with what is annotated and what was found over it, as SVG in the picture's pixels.
const overlay = (() => {
  const SPACE = "http://www.w3.org/2000/svg";

  const element = (name, attributes, text) => {
    const made = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const pathOf = (polygons) =>
    polygons
      .map((points) => {
        const places = [];
        for (let i = 0; i < points.length; i += 2) places.push(`${points[i]} ${points[i + 1]}`);
        return `M${places.join("L")}Z`;
      })
      .join("");

  // Around a box, so that a small object is seen.
  const ring = ([x, y, width, height], unit) => {
    const gap = 6 * unit;
    return element("rect", {
      class: "ring", x: x - gap, y: y - gap, width: width + 2 * gap, height: height + 2 * gap, rx: gap,
    });
  };

  const shapeOf = (shape, layer, shown, unit) => {
    const group = element("g", { class: `shape ${layer} ${shape.role} ${shape.state || ""} ${shape.crowd ? "crowd" : ""}` });
    const [x, y, width, height] = shape.box;
    if (shown.masks && shape.polygons.length) group.append(element("path", { d: pathOf(shape.polygons) }));
    if (shown.boxes || !shape.polygons.length) group.append(element("rect", { class: "box", x, y, width, height }));
    if (shape.role !== "other") {
      const size = 13 * unit;
      const words = shape.score === undefined ? shape.class : `${shape.class} ${shape.score.toFixed(2)}`;
      // what is annotated is named above, what was found below
      const top = layer === "truth" ? Math.max(y - 0.4 * size, size) : y + height + 1.1 * size;
      group.append(element("text", { x, y: top, "font-size": size, "stroke-width": 0.25 * size }, words));
    }
    return group;
  };

  const joined = (boxes) => {
    const left = Math.min(...boxes.map((box) => box[0]));
    const top = Math.min(...boxes.map((box) => box[1]));
    const right = Math.max(...boxes.map((box) => box[0] + box[2]));
    const bottom = Math.max(...boxes.map((box) => box[1] + box[3]));
    return [left, top, right - left, bottom - top];
  };

  // The part of the picture that is shown: all of it, or the suspect with some of its surroundings.
  const viewOf = (details, target, isNear) => {
    const { width, height } = details.picture;
    if (!isNear) return [0, 0, width, height];
    const side = Math.max(3 * Math.max(target[2], target[3]), 48);
    return [target[0] + target[2] / 2 - side / 2, target[1] + target[3] / 2 - side / 2, side, side];
  };

  // svg: is filled; details: of a suspect; url: of its picture; shown: what to draw.
  const draw = (svg, details, url, shown) => {
    const own = [...details.truth, ...details.predictions].filter((shape) => shape.role === "suspect");
    const target = joined(own.map((shape) => shape.box));
    const view = viewOf(details, target, shown.zoom);
    svg.setAttribute("viewBox", view.join(" "));
    // one pixel of the screen in pixels of the picture
    const unit = Math.max(view[2] / (svg.clientWidth || view[2]), view[3] / (svg.clientHeight || view[3]));
    const { width, height } = details.picture;
    const parts = [element("rect", { width, height, fill: "#808080" }), element("image", { href: url, width, height })];
    const layers = [];
    if (shown.truth) layers.push(["truth", details.truth]);
    if (shown.predictions) layers.push(["prediction", details.predictions]);
    for (const isOwn of [false, true]) {
      for (const [layer, shapes] of layers) {
        const chosen = shapes.filter((shape) => (shape.role !== "other") === isOwn && (isOwn || shown.others));
        parts.push(...chosen.map((shape) => shapeOf(shape, layer, shown, unit)));
      }
    }
    parts.push(ring(target, unit));
    svg.replaceChildren(...parts);
  };

  return { draw };
})();
