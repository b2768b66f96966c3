// Inside the demo page the payer's browser is a frame: tell the page around it that the bank is done.
if (window.parent !== window) {
  window.parent.postMessage({ type: "back" }, window.location.origin);
  document.querySelector("a").hidden = true;
}
