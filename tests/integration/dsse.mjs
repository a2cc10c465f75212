// SPDX-License-Identifier: Apache-2.0
//
// Our statements in somebody else's hands: Sigstore's packages read the envelope, make the
// pre-authentication encoding, check the signature with node's crypto and run their Verifier. What
// they do not know is the SSHSIG around the signature; it is taken apart here, from OpenSSH's
// PROTOCOL.sshsig.
//
//	dsse.mjs MODULES verify LINES PUBLIC-KEY...	one word a line: the key's file, or what is wrong
//	dsse.mjs MODULES files LINES DIR		DIR/N.pae and DIR/N.sig, for ssh-keygen
//	dsse.mjs MODULES statement LINES N		the statement as JSON
//	dsse.mjs MODULES digest REPO LINES N		its transitions and digest, computed again from git
//	dsse.mjs MODULES envelope STATEMENT ARMORED	another writer's envelope around a statement
//	dsse.mjs MODULES pae STATEMENT			what such a writer signs
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash, createPublicKey } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const [, , modules, command, ...args] = process.argv;
const require = createRequire(path.resolve(modules) + '/');
const { envelopeFromJSON, envelopeToJSON } = require('@sigstore/bundle');
const { dsse, crypto } = require('@sigstore/core');
const { Verifier } = require('@sigstore/verify');

const TYPE = 'application/vnd.in-toto+json';
const NAMESPACE = 'review@countersign';
const lines = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean);
const envelope = (line) => envelopeFromJSON(JSON.parse(line));
const pae = (env) => dsse.preAuthEncoding(env.payloadType, env.payload);

// ---- SSH's wire format

const word = (bytes) => Buffer.concat([Buffer.from([bytes.length >>> 24, bytes.length >>> 16, bytes.length >>> 8, bytes.length]), Buffer.from(bytes)]);
function reader(bytes) {
	let at = 0;
	return {
		skip: (n) => bytes.subarray(at, (at += n)),
		u32: () => bytes.readUInt32BE((at += 4) - 4),
		string() { const n = this.u32(); if (at + n > bytes.length) throw new Error('short'); return this.skip(n); },
		done: () => at === bytes.length,
	};
}

function takeApart(sig) {
	const r = reader(sig);
	if (r.skip(6).toString() !== 'SSHSIG' || r.u32() !== 1) throw new Error('no SSHSIG');
	const [key, namespace, reserved, hash, value] = [r.string(), r.string(), r.string(), r.string(), r.string()];
	if (namespace.toString() !== NAMESPACE || reserved.length || !r.done()) throw new Error('other namespace');
	const v = reader(value);
	const algorithm = v.string().toString();
	return { key, hash: hash.toString(), algorithm, raw: v.string() };
}

const signedBytes = (message, hash) => Buffer.concat([Buffer.from('SSHSIG'), word(Buffer.from(NAMESPACE)), word(''),
	word(Buffer.from(hash)), word(createHash(hash).update(message).digest())]);

// A public key of node's from the wire format, and the signature in the form that node takes.
const base64url = (b) => b.toString('base64url');
const unsigned = (b) => (b[0] === 0 ? b.subarray(1) : b);
function toNode(blob, raw, algorithm) {
	const r = reader(blob);
	const type = r.string().toString();
	if (type === 'ssh-ed25519')
		return { key: createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: base64url(r.string()) } }), raw };
	if (type === 'ssh-rsa') {
		const [e, n] = [r.string(), r.string()];
		return { key: createPublicKey({ format: 'jwk', key: { kty: 'RSA', e: base64url(unsigned(e)), n: base64url(unsigned(n)) } }),
			 raw, hash: algorithm === 'rsa-sha2-256' ? 'sha256' : 'sha512' };
	}
	const curve = r.string().toString();
	const point = r.string();
	const half = (point.length - 1) / 2;
	const s = reader(raw);
	const der = (n) => Buffer.concat([Buffer.from([2, n.length]), n]);
	const body = Buffer.concat([der(s.string()), der(s.string())]);
	return { key: createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: { nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521' }[curve],
			x: base64url(point.subarray(1, 1 + half)), y: base64url(point.subarray(1 + half)) } }),
		 raw: Buffer.concat([body.length < 128 ? Buffer.from([0x30, body.length]) : Buffer.from([0x30, 0x81, body.length]), body]),
		 hash: { nistp256: 'sha256', nistp384: 'sha384', nistp521: 'sha512' }[curve] };
}

// ---- Sigstore's verifier over it

class SshContent {
	constructor(env) { this.env = env; }
	get signature() { return this.env.signatures[0].sig; }
	compareSignature(sig) { return crypto.bufferEqual(sig, this.signature); }
	compareDigest(digest) { return crypto.bufferEqual(digest, crypto.digest('sha256', this.env.payload)); }
	verifySignature(key) {
		const { hash, algorithm, raw, key: blob } = takeApart(this.signature);
		const node = toNode(blob, raw, algorithm);
		return node.key.equals(key) && crypto.verify(signedBytes(pae(this.env), hash), key, node.raw, node.hash);
	}
}

function verify(line, known) {
	const env = envelope(line);
	if (env.payloadType !== TYPE || env.signatures.length !== 1) return 'other-envelope';
	const trust = {
		certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
		publicKey: (hint) => {
			const blob = known.get(hint);
			if (!blob) throw new Error('unknown key');
			return { publicKey: toNode(blob, takeApart(env.signatures[0].sig).raw, '').key, validFor: () => true };
		},
	};
	const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
	verifier.verify({ key: { $case: 'public-key', hint: env.signatures[0].keyid }, signature: new SshContent(env), tlogEntries: [], timestamps: [] });
	const s = JSON.parse(env.payload.toString());
	if (s._type !== 'https://in-toto.io/Statement/v1' || !Array.isArray(s.subject) || !s.subject.length ||
	    s.subject.some((x) => !x.digest?.gitCommit || !x.digest?.gitTree) || !s.predicateType || typeof s.predicate !== 'object')
		return 'no-in-toto-statement';
	return env.signatures[0].keyid;
}

// ---- the change, computed again from what git says

function transitions(repo, from, to) {
	const git = (...a) => execFileSync('git', ['-C', repo, ...a], { maxBuffer: 1 << 28 });
	const fields = git('diff-tree', '-r', '--no-renames', '-z', '--raw', '--no-abbrev', from, to).toString('latin1').split('\0');
	const side = (mode, id) => (mode === '000000' ? '000000 -' : mode === '160000' ? `${mode} ${id}` :
		`${mode} ${createHash('sha256').update(git('cat-file', 'blob', id)).digest('hex')}`);
	const out = [];
	for (let i = 0; i + 1 < fields.length; i += 2) {
		const [before, after, a, b] = fields[i].slice(1).split(' ');
		out.push(`${fields[i + 1]}\0${side(before, a)} ${side(after, b)}\n`);
	}
	return out;
}

const commands = {
	verify(file, ...keys) {
		const known = new Map(), names = new Map();
		for (const key of keys) {
			const blob = Buffer.from(readFileSync(key, 'utf8').split(' ')[1], 'base64');
			const print = 'SHA256:' + createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
			known.set(print, blob);
			names.set(print, path.basename(key));
		}
		for (const line of lines(file)) {
			try {
				const said = verify(line, known);
				console.log(names.get(said) ?? said);
			} catch (e) {
				console.log('refused: ' + (e.code ?? e.message));
			}
		}
	},
	files(file, dir) {
		lines(file).forEach((line, i) => {
			const env = envelope(line);
			const base64 = env.signatures[0].sig.toString('base64').replace(/.{70}/g, '$&\n');
			writeFileSync(`${dir}/${i}.pae`, pae(env));
			writeFileSync(`${dir}/${i}.sig`, `-----BEGIN SSH SIGNATURE-----\n${base64}\n-----END SSH SIGNATURE-----\n`);
			writeFileSync(`${dir}/${i}.keyid`, env.signatures[0].keyid);
		});
	},
	statement(file, n) { process.stdout.write(envelope(lines(file)[n]).payload); },
	digest(repo, file, n) {
		const p = JSON.parse(envelope(lines(file)[n]).payload.toString()).predicate;
		const list = transitions(repo, p.fromID, p.targetID);
		const said = p.transitions.map((t) => {
			const name = typeof t.path === 'string' ? Buffer.from(t.path).toString('latin1') : Buffer.from(t.path.base64, 'base64').toString('latin1');
			const side = (s) => (s ? `${s.mode} ${s.sha256 ?? s.gitCommit}` : '000000 -');
			return `${name}\0${side(t.from)} ${side(t.to)}\n`;
		});
		const digest = createHash('sha256').update('countersign change v1\n').update(Buffer.from(list.join(''), 'latin1')).digest('hex');
		console.log(list.length, list.join('') === said.join('') ? 'same' : 'other', digest === p.changeDigest.sha256 ? digest : 'other');
	},
	pae(file) { process.stdout.write(dsse.preAuthEncoding(TYPE, readFileSync(file))); },
	envelope(file, armored) {
		const sig = Buffer.from(readFileSync(armored, 'utf8').replace(/-----.*-----|\s/g, ''), 'base64');
		const json = envelopeToJSON({ payload: readFileSync(file), payloadType: TYPE, signatures: [{ sig, keyid: '' }] });
		// the URL-safe alphabet, another order, spaces, members that nobody knows
		const safe = (s) => s.replaceAll('+', '-').replaceAll('/', '_');
		console.log(JSON.stringify({ unknown: [1, { x: null }], signatures: [{ cert: 'x', sig: safe(json.signatures[0].sig) }],
			payloadType: json.payloadType, payload: safe(json.payload) }).replaceAll('":', '" : '));
	},
};
commands[command](...args);
