// A picture of the visitor's own. It is made small here and sent as PNG, so that the file, and what is written in it of
// place and time, stays on the visitor's machine.
const [field, remove, note] = ["input", "button", "small"].map((tag) => element.querySelector(`.kg-upload ${tag}`));

function show(value, text = "") {
  props.value = value;
  remove.hidden = !value;
  note.textContent = text;
  if (!value) field.value = "";
}

field.addEventListener("change", async () => {
  const file = field.files[0];
  if (!file) return show("");
  try {
    const picture = await createImageBitmap(file);
    const share = Math.min(1, Number(props.side) / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * share)));
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const sheet = canvas.getContext("2d");
    sheet.imageSmoothingQuality = "high";
    sheet.drawImage(picture, 0, 0, width, height);
    show(canvas.toDataURL("image/png"));
  } catch {
    show("", "This is no picture that the browser can read.");
  }
});
remove.addEventListener("click", () => show(""));
