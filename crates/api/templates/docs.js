// Starts Swagger UI. Without deep links: they would be links within buttons. Without a validator: that would send the document to another server.
'use strict';

const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

window.ui = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  validatorUrl: null,
  tryItOutEnabled: true,
  presets: [SwaggerUIBundle.presets.apis],
});

// Names for what Swagger UI leaves without one, and the keyboard's way into what scrolls. It draws
// anew with every click, so this looks again whenever it has.
const NAMES = {
  '.copy-to-clipboard button': 'Copy',
  '.examples-select-element': 'Example',
  '.body-param__text': 'Body',
};
const SCROLLING = '.curl, .microlight';

function complete() {
  for (const [selector, name] of Object.entries(NAMES)) {
    document.querySelectorAll(`${selector}:not([aria-label])`).forEach((element) => element.setAttribute('aria-label', name));
  }
  document.querySelectorAll(SCROLLING).forEach((element) => { element.tabIndex = 0; });
}
new MutationObserver(complete).observe(document.getElementById('swagger-ui'), { childList: true, subtree: true });
