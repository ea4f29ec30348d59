// The smallest app: says how long after the start of its process the first line ran.
console.log(JSON.stringify({ uptimeMs: process.uptime() * 1000 }));
