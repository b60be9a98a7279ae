// The live figures: what /metrics says, every 2 seconds while somebody looks.
'use strict';

(() => {
  const PERIOD = 2000;
  const LATENCY = 'http_request_latency_seconds_bucket';
  const state = document.getElementById('figures-state');
  let timer = 0;

  document.addEventListener('visibilitychange', schedule);
  schedule();

  function schedule() {
    clearTimeout(timer);
    if (!document.hidden) {
      refresh();
    }
  }

  async function refresh() {
    try {
      const response = await fetch('metrics', { cache: 'no-store' });
      if (!response.ok) {
        throw new Error(`status ${response.status}`);
      }
      show(parse(await response.text()));
      state.textContent = 'Refreshed every 2 seconds.';
    } catch (error) {
      state.textContent = `Not refreshed: ${error.message}.`;
    }
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(refresh, PERIOD);
    }
  }

  // Samples of the Prometheus text format: name, labels, value.
  function parse(text) {
    const samples = [];
    for (const line of text.split('\n')) {
      const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
      if (found) {
        const pairs = [...(found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
        const labels = Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
        samples.push({ name: found[1], labels, value: Number(found[3]) });
      }
    }
    return samples;
  }

  function show(samples) {
    const sum = (name, wanted) => samples
      .filter((sample) => sample.name === name && wanted(sample.labels))
      .reduce((total, sample) => total + sample.value, 0);
    const requests = sum('http_requests_total', ({ endpoint }) => endpoint !== '/metrics');
    put('requests', requests.toLocaleString('en'));
    for (const [name, prediction] of [['legitimate', '0'], ['fraud', '1']]) {
      const count = sum('fraud_predictions_total', (labels) => labels.prediction === prediction);
      put(name, count.toLocaleString('en'));
    }
    const buckets = samples
      .filter(({ name, labels }) => name === LATENCY && labels.endpoint === '/predict')
      .map(({ labels, value }) => ({ bound: labels.le === '+Inf' ? Infinity : Number(labels.le), count: value }))
      .sort((a, b) => a.bound - b.bound);
    put('p50', time(quantile(buckets, 0.5)));
    put('p99', time(quantile(buckets, 0.99)));
  }

  // As Prometheus' histogram_quantile: linear within a bucket; above the last bound, that bound.
  function quantile(buckets, share) {
    const total = buckets.at(-1)?.count ?? 0;
    if (total === 0) {
      return undefined;
    }
    let below = { bound: 0, count: 0 };
    for (const bucket of buckets) {
      if (bucket.count >= share * total) {
        if (bucket.bound === Infinity) {
          return { seconds: below.bound, isMore: true };
        }
        const part = (share * total - below.count) / (bucket.count - below.count);
        return { seconds: below.bound + part * (bucket.bound - below.bound), isMore: false };
      }
      below = bucket;
    }
    return undefined;
  }

  function time(quantile) {
    if (!quantile) {
      return '–';
    }
    const { seconds, isMore } = quantile;
    const [value, unit] = seconds < 1e-3 ? [seconds * 1e6, 'µs'] : seconds < 1 ? [seconds * 1e3, 'ms'] : [seconds, 's'];
    return `${isMore ? '> ' : ''}${Number(value.toPrecision(2))} ${unit}`;
  }

  function put(name, text) {
    const place = document.getElementById(`figure-${name}`);
    if (place.textContent !== text) {
      place.textContent = text;
    }
  }
})();
