// What this process sees of the world around it. Nothing here knows whether it runs in a pod or under mirrord.
const dns = require('node:dns');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');

/** Asks the frontend, by its service name, which address the call came from. */
function callFrontend() {
  return new Promise((resolve, reject) => {
    const request = http.get('http://frontend/whoami', { agent: false, timeout: 5000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(JSON.parse(body)));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
  });
}

exports.collectFacts = async () => {
  const viaFetch = await fetch('http://frontend.default.svc.cluster.local/whoami');
  return {
    'env STAR_COLOR (from a Secret)': process.env.STAR_COLOR,
    'env GREETING (from a ConfigMap)': process.env.GREETING,
    'file /etc/reviews/ratings.json': fs.readFileSync('/etc/reviews/ratings.json', 'utf8').trim(),
    'folder /etc/reviews': fs
      .readdirSync('/etc/reviews')
      .filter((name) => !name.startsWith('..'))
      .join(' '),
    hostname: os.hostname(),
    'DNS of frontend': (await dns.promises.lookup('frontend')).address,
    'http.get http://frontend seen from': (await callFrontend()).caller,
    'fetch of the full name seen from': (await viaFetch.json()).caller,
  };
};
