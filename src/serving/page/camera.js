"use strict";
// A picture from the camera. Browsers offer it on this machine and over HTTPS only.
const camera = (() => {
  const one = (id) => document.getElementById(id);
  let stream = null;

  const close = () => {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    one("viewfinder").hidden = true;
    one("camera").focus();
  };

  const open = async (refuse) => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      refuse(`the camera cannot be used: ${error.message}`);
      return;
    }
    one("shoot").disabled = true; // until there is a frame
    one("video").srcObject = stream;
    one("viewfinder").hidden = false;
    await one("video").play();
    one("shoot").disabled = false;
    one("shoot").focus();
  };

  const shoot = (take) => {
    const video = one("video");
    const frame = document.createElement("canvas");
    frame.width = video.videoWidth;
    frame.height = video.videoHeight;
    frame.getContext("2d").drawImage(video, 0, 0);
    close();
    frame.toBlob(take, "image/jpeg", 0.95);
  };

  // Show the button where there is a camera's interface. `take` gets a JPEG, `refuse` a reason.
  const prepare = (take, refuse) => {
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return;
    one("camera").hidden = false;
    one("camera").addEventListener("click", () => open(refuse));
    one("shoot").addEventListener("click", () => shoot(take));
    one("close-camera").addEventListener("click", close);
  };

  return { prepare };
})();
