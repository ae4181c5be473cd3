import { render } from "preact";
import { App } from "./app.tsx";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/gallery.css";
import "./styles/large.css";
import "./styles/tables.css";

render(<App />, document.getElementById("page")!);
