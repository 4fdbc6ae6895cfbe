"use strict";
// What can be saved of a result: JSON, the drawing, and a file for LabelMe.
const files = (() => {
  const save = (name, blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const stem = (name) => name.replace(/\.[^.]*$/, "") || "picture";

  const jsonBlob = (content) => new Blob([JSON.stringify(content, null, 2)], { type: "application/json" });

  // The answer of /v1/predict (masks=polygons) with the objects that are shown.
  const saveJson = (picture, objects) => {
    const { width, height } = picture.answer;
    save(`${stem(picture.name)}.json`, jsonBlob({ file_name: picture.name, width, height, objects }));
  };

  // As predict.py --labelme writes it: the parts of one object share a group_id.
  const labelme = (picture, objects) => ({
    version: "5.5.0",
    flags: {},
    shapes: objects.flatMap((object, index) =>
      object.segmentation.map((points) => ({
        label: object.category,
        points: Array.from({ length: points.length / 2 }, (_, i) => [points[2 * i], points[2 * i + 1]]),
        group_id: object.segmentation.length > 1 ? index + 1 : null,
        description: `score ${object.score.toFixed(3)}`,
        shape_type: "polygon",
        flags: {},
        mask: null,
      })),
    ),
    imagePath: picture.name,
    imageData: null,
    imageHeight: picture.answer.height,
    imageWidth: picture.answer.width,
  });

  const saveLabelme = (picture, objects) => save(`${stem(picture.name)}.json`, jsonBlob(labelme(picture, objects)));

  const saveDrawing = (picture, canvas) =>
    canvas.toBlob((blob) => save(`${stem(picture.name)}_drawn.png`, blob), "image/png");

  return { saveJson, saveLabelme, saveDrawing };
})();
