import { expect, test } from "vitest";
import { configJson, hostingConfig } from "../../hosting.ts";
import template from "../../hosting.json?raw";
import { parseConfig } from "./config";

const LOCAL = { api: "http://127.0.0.1:8080/", project: "life-as-not-me", firestore_emulator: "127.0.0.1:9000", firebase: null, local_token: "a.b.c" };

test("a local configuration is read, its address without a slash at the end", () => {
  expect(parseConfig(LOCAL)).toEqual({ api: "http://127.0.0.1:8080", project: "life-as-not-me", firestoreEmulator: "127.0.0.1:9000", firebase: null, appCheckSiteKey: null, localToken: "a.b.c" });
});

test("what may be left out is null", () => {
  expect(parseConfig({ api: "", project: "p" })).toEqual({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });
});

test("all faults are named at once", () => {
  expect(() => parseConfig({ api: "ftp://x", project: "", firestore_emulator: "nowhere", firebase: 3, local_token: 4 })).toThrow(/api: .*; project: .*; firestore_emulator: .*; firebase: .*; local_token: /);
  expect(() => parseConfig(null)).toThrow(/must be an object/);
});

test("a build for the cloud writes a configuration that the page reads", () => {
  const text = configJson({ VITE_API_URL: "https://api.example.run.app", VITE_PROJECT: "p", VITE_FIREBASE_API_KEY: "k" });
  expect(parseConfig(JSON.parse(text ?? ""))).toMatchObject({ api: "https://api.example.run.app", project: "p", firebase: { apiKey: "k", projectId: "p" } });
});

test("where App Check is asked for, the page has its keys, and its policy lets in what that loads", () => {
  const env = { VITE_API_URL: "https://api.example.run.app", VITE_PROJECT: "p", VITE_FIREBASE_API_KEY: "k", VITE_FIREBASE_APP_ID: "1:2:web:3", VITE_APP_CHECK_SITE_KEY: "s" };
  expect(parseConfig(JSON.parse(configJson(env) ?? ""))).toMatchObject({ appCheckSiteKey: "s", firebase: { appId: "1:2:web:3" } });
  const policy: string = JSON.parse(hostingConfig(template, env)).globalHeaders["Content-Security-Policy"];
  expect(policy).toContain("script-src 'self' https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/;");
  expect(policy).toContain(" https://content-firebaseappcheck.googleapis.com https://www.google.com/recaptcha/;");
  expect(policy).toContain("frame-src https://www.google.com/recaptcha/ https://recaptcha.google.com/recaptcha/;");
  expect(() => configJson({ ...env, VITE_FIREBASE_APP_ID: "" })).toThrow(/VITE_APP_CHECK_SITE_KEY: needs/);
});

test("a build that names no API leaves its configuration to whoever serves it", () => {
  expect(configJson({})).toBeUndefined();
});

test("a build with wrong settings ends, naming all of them", () => {
  expect(() => configJson({ VITE_API_URL: "nowhere", VITE_PROJECT: "" })).toThrow(/VITE_API_URL: .*; VITE_PROJECT: /);
});

test("the page may ask itself, the API and Google's named hosts, and run its own scripts only", () => {
  const { globalHeaders } = JSON.parse(hostingConfig(template, { VITE_API_URL: "https://api.example.run.app/v1" }));
  const rules = new Map(globalHeaders["Content-Security-Policy"].split("; ").map((rule: string) => [rule.split(" ")[0], rule.split(" ").slice(1)]));
  expect(rules.get("default-src")).toEqual(["'none'"]);
  expect(rules.get("script-src")).toEqual(["'self'"]);
  expect(rules.get("frame-src")).toEqual(["'none'"]);
  expect(rules.get("frame-ancestors")).toEqual(["'none'"]);
  expect(rules.get("connect-src")).toEqual([
    "'self'",
    "https://api.example.run.app",
    "https://firestore.googleapis.com",
    "https://identitytoolkit.googleapis.com",
    "https://securetoken.googleapis.com",
    "https://storage.googleapis.com",
  ]);
  expect(rules.get("media-src")).toContain("https://storage.googleapis.com");
  expect(globalHeaders["Permissions-Policy"]).toContain("xr-spatial-tracking=(self)");
});
