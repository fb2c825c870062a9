// Saves what an output shows, out of what the page has already: pictures as one PNG, side by side, or a sound as it is.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-save]");
  if (!button) return;
  const save = (href) => Object.assign(document.createElement("a"), { href, download: button.dataset.save }).click();
  const sound = button.closest("figure")?.querySelector("audio");
  if (sound) return save(sound.src);
  const pictures = [...button.closest(".kg-made").querySelectorAll("img")];
  const [across, gap] = [Math.ceil(Math.sqrt(pictures.length)), pictures.length > 1 ? 4 : 0];
  const width = gap + Math.max(...pictures.map((picture) => picture.naturalWidth));
  const height = gap + Math.max(...pictures.map((picture) => picture.naturalHeight));
  const down = Math.ceil(pictures.length / across);
  const canvas = Object.assign(document.createElement("canvas"), { width: across * width - gap, height: down * height - gap });
  const sheet = canvas.getContext("2d");
  pictures.forEach((picture, i) => sheet.drawImage(picture, (i % across) * width, Math.floor(i / across) * height));
  canvas.toBlob((file) => {
    const address = URL.createObjectURL(file);
    save(address);
    setTimeout(() => URL.revokeObjectURL(address), 60_000); // when the browser has read it
  });
});
