import { Component, type ReactNode } from "react";
import { Fault } from "./fault";
import { useText } from "@/shared/i18n/language";

/** A fault of the page's own: who reads is told, instead of seeing nothing. */
export class Boundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };
  static getDerivedStateFromError = () => ({ isBroken: true });
  override render() {
    return this.state.isBroken ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const text = useText();
  return (
    <Fault>
      <p>{text.problem.other}</p>
    </Fault>
  );
}
