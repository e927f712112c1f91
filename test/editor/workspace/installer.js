// Stands for something risky: leaves a mark that it ran, and fails when asked to.
const fs = require('node:fs');
const path = require('node:path');

fs.appendFileSync(path.join(__dirname, 'installed.txt'), `${new Date().toISOString()}\n`);
console.log('installed');
process.exitCode = process.argv.includes('--fail') ? 3 : 0;
