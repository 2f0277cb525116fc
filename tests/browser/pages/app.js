// An application that knows nothing of the kit: it uploads and shows what it was told.
const form = document.querySelector("form");
const output = document.querySelector("output");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const response = await fetch("/api/upload", { method: "POST", body: new FormData(form) });
  const { message } = await response.json();
  output.textContent = `${response.status}: ${message}`;
});
