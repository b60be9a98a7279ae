// The form: an example fills it, /explain answers it. What is wrong with a field is the service's to
// say: the page sends what was typed.
'use strict';

(() => {
  const form = document.getElementById('transaction');
  const fields = [...form.querySelectorAll('input')];
  const problem = document.getElementById('problem');
  const score = document.getElementById('score');
  const answer = document.getElementById('answer');
  const all = document.getElementById('show-all');
  const FIRST = 10;
  let contributions = [];

  for (const button of form.querySelectorAll('.example')) {
    button.addEventListener('click', () => {
      const transaction = JSON.parse(button.dataset.transaction);
      for (const field of fields) {
        field.value = transaction[field.name];
      }
      complain([]);
    });
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    score.disabled = true;
    try {
      const response = await fetch('explain', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(transaction()),
      });
      const body = await response.json();
      if (response.ok) {
        complain([]);
        show(body);
      } else {
        answer.hidden = true;
        complain(Array.isArray(body.detail) ? body.detail : [{ loc: [], msg: body.detail }]);
      }
    } catch (error) {
      answer.hidden = true;
      complain([{ loc: [], msg: `The service did not answer: ${error.message}` }]);
    } finally {
      score.disabled = false;
    }
  });

  all.addEventListener('click', () => {
    all.setAttribute('aria-pressed', String(all.getAttribute('aria-pressed') !== 'true'));
    draw();
  });

  // Numbers as numbers, other text as text; an empty field is left out.
  function transaction() {
    const body = {};
    for (const field of fields) {
      const text = field.value.trim();
      if (text !== '') {
        const number = Number(text);
        body[field.name] = Number.isFinite(number) ? number : text;
      }
    }
    return body;
  }

  // Puts each error beside its field, and those of no field below the form.
  function complain(errors) {
    const messages = new Map();
    const others = [];
    for (const { loc, msg } of errors) {
      if (document.getElementById(`error-${loc[1]}`)) {
        messages.set(loc[1], msg);
      } else {
        others.push(msg);
      }
    }
    for (const field of fields) {
      const message = messages.get(field.name);
      field.toggleAttribute('aria-invalid', false);
      if (message) {
        field.setAttribute('aria-invalid', 'true');
      }
      document.getElementById(`error-${field.name}`).textContent = message ?? '';
    }
    if (messages.size > 0) {
      others.push(messages.size === 1 ? 'One field is not right.' : `${messages.size} fields are not right.`);
      fields.find((field) => messages.has(field.name)).focus();
    }
    problem.textContent = others.join(' ');
  }

  function show(body) {
    const isFraud = body.fraud_prediction === 1;
    const share = percent(body.fraud_probability);
    const threshold = percent(body.threshold_used);
    document.getElementById('verdict').className = isFraud ? 'panel text fraud' : 'panel text';
    answer.hidden = false;
    document.getElementById('probability').textContent = share;
    document.getElementById('decision').textContent = isFraud
      ? `Called fraud: at or above the threshold of ${threshold}.`
      : `Called legitimate: below the threshold of ${threshold}.`;
    contributions = body.contributions;
    const rows = contributions.map(({ feature, value, log_odds }) => {
      const row = document.createElement('tr');
      const name = element('th', '', feature);
      name.scope = 'row';
      row.append(name, element('td', 'n', number(value)), element('td', 'n', signed(log_odds)));
      return row;
    });
    document.querySelector('#contributions tbody').replaceChildren(...rows);
    draw();
    const title = document.getElementById('answer-title');
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: 'start' });
  }

  function draw() {
    const isAll = all.getAttribute('aria-pressed') === 'true';
    all.textContent = isAll ? `Show the ${FIRST} largest` : `Show all ${contributions.length}`;
    const shown = isAll ? contributions : contributions.slice(0, FIRST);
    const largest = Math.max(...shown.map(({ log_odds }) => Math.abs(log_odds)), Number.MIN_VALUE);
    const chart = document.getElementById('chart');
    chart.replaceChildren(...shown.map(({ feature, value, log_odds }) => {
      const bar = element('div', 'bar', '');
      const track = element('span', 'track', '');
      const fill = element('span', log_odds > 0 ? 'fill towards' : 'fill', '');
      const width = 50 * (Math.abs(log_odds) / largest);
      fill.style.width = `${width}%`;
      fill.style.left = `${log_odds > 0 ? 50 : 50 - width}%`;
      track.append(fill);
      bar.title = `${feature} = ${number(value)}`;
      bar.append(element('span', '', feature), track, element('span', 'amount', signed(log_odds)));
      return bar;
    }));
    const words = shown.slice(0, 5).map(({ feature, log_odds }) => `${feature} ${signed(log_odds)}`);
    chart.setAttribute('aria-label',
      `Bar chart of ${shown.length} contributions to the log-odds, the largest first: ${words.join(', ')}. All are in the table below.`);
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  }

  // Probabilities near 0 and 1 keep the digits that tell them from 0 and 1.
  function percent(share) {
    const value = 100 * share;
    if (share === 0 || share === 1) {
      return `${value} %`;
    }
    if (value < 0.01) {
      return '< 0.01 %';
    }
    if (value > 99.99) {
      return '> 99.99 %';
    }
    return `${Number(value.toFixed(2))} %`;
  }

  function number(value) {
    return Math.abs(value) >= 1e9 ? value.toExponential(3) : String(Number(value.toPrecision(6)));
  }

  function signed(value) {
    const size = Math.abs(value);
    const digits = size >= 1e5 ? size.toExponential(1) : size.toFixed(2);
    const isZero = Number(digits) === 0;
    return (isZero ? '' : value > 0 ? '+' : '−') + digits;
  }
})();
