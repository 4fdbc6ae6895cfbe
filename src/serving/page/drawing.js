"use strict";
// Objects over a picture: colours, masks, boxes, names, and which object is under a point.
const drawing = (() => {
  // Of the default palette of Okabe and Ito (2008), which colour-blind readers can tell apart, without black.
  const TONES = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

  const toneOf = (object) => TONES[(object.category_id - 1) % TONES.length];

  const outline = (object) => {
    const path = new Path2D();
    for (const points of object.segmentation) {
      for (let i = 0; i < points.length; i += 2) {
        if (i === 0) path.moveTo(points[0], points[1]);
        else path.lineTo(points[i], points[i + 1]);
      }
      path.closePath();
    }
    return path;
  };

  const withAlpha = (tone, alpha) => tone + Math.round(255 * alpha).toString(16).padStart(2, "0");

  // A line that can be seen on a ground of its own colour.
  const strokeTwice = (context, width, tone, stroke) => {
    for (const [lineWidth, style] of [[2 * width, "rgba(0, 0, 0, .45)"], [width, tone]]) {
      context.lineWidth = lineWidth;
      context.strokeStyle = style;
      stroke();
    }
  };

  const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

  // Above its box, or where another name is already, lower.
  const drawName = (context, object, size, height, width, taken) => {
    const text = `${object.category} ${object.score.toFixed(2)}`;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const [left, top] = object.bbox;
    const plateWidth = context.measureText(text).width + size * 0.6;
    const plateHeight = size * 1.35;
    const x = Math.max(0, Math.min(left, width - plateWidth));
    const highest = Math.max(0, Math.min(top - plateHeight, height - plateHeight));
    const plate = { x, y: highest, width: plateWidth, height: plateHeight };
    while (taken.some((other) => overlap(plate, other)) && plate.y + 2 * plateHeight <= height) plate.y += plateHeight;
    taken.push(plate);
    const { y } = plate;
    context.fillStyle = "rgba(0, 0, 0, .72)";
    context.fillRect(x, y, plateWidth, plateHeight);
    context.fillStyle = toneOf(object);
    context.fillRect(x, y, size * 0.22, plateHeight);
    context.fillStyle = "#ffffff";
    context.fillText(text, x + size * 0.42, y + plateHeight / 2);
  };

  // How many pixels of the canvas a pixel of the picture gets: small pictures are shown enlarged.
  const factorOf = ({ width, height }) => Math.max(1, Math.ceil(800 / Math.max(width, height)));

  // Draw the picture and the objects, the best on top; `active` is drawn stronger than the others.
  const draw = (canvas, image, size, objects, shown, active) => {
    const context = canvas.getContext("2d");
    const factor = canvas.width / size.width;
    const { width, height } = size;
    // One pixel of the screen, in pixels of the picture.
    const unit = Math.max(width / (canvas.clientWidth || width), height / (canvas.clientHeight || height));
    context.setTransform(factor, 0, 0, factor, 0, 0);
    context.clearRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    const order = [...objects].reverse();
    if (active) order.push(active);
    for (const object of order) {
      const tone = toneOf(object);
      const strength = active ? (object === active ? 0.55 : 0.14) : 0.38;
      context.lineJoin = "round";
      if (shown.masks) {
        const path = outline(object);
        context.fillStyle = withAlpha(tone, strength);
        context.fill(path);
        strokeTwice(context, (object === active ? 3 : 1.5) * unit, tone, () => context.stroke(path));
      }
      if (shown.boxes) {
        strokeTwice(context, (object === active ? 3 : 1.5) * unit, tone, () => context.strokeRect(...object.bbox));
      }
    }
    if (!shown.names) return;
    const taken = [];
    for (const object of active ? [active] : objects) drawName(context, object, 13 * unit, height, width, taken);
  };

  // The smallest object at a point of the picture: its mask, or where none is there its box.
  const objectAt = (canvas, objects, x, y) => {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    const area = ({ bbox }) => bbox[2] * bbox[3];
    const inBox = ({ bbox }) => x >= bbox[0] && y >= bbox[1] && x <= bbox[0] + bbox[2] && y <= bbox[1] + bbox[3];
    const boxed = objects.filter(inBox);
    const masked = boxed.filter((object) => context.isPointInPath(outline(object), x, y));
    const [best] = (masked.length ? masked : boxed).sort((a, b) => area(a) - area(b));
    return best || null;
  };

  return { draw, factorOf, objectAt, toneOf };
})();
