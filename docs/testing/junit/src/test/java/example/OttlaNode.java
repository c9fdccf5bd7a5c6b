package example;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Objects;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A node for the tests of a class, which goes, with its data, when they are done. */
public final class OttlaNode implements BeforeAllCallback, AfterAllCallback {
    private Process node;
    private String bootstrap;

    /** What a client takes as {@code bootstrap.servers}. */
    public String bootstrap() {
        return bootstrap;
    }

    @Override
    public void beforeAll(ExtensionContext context) throws IOException {
        String binary = Objects.requireNonNullElse(System.getenv("OTTLA_BINARY"), "ottla");
        node = new ProcessBuilder(binary, "server-start", "--ephemeral")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        bootstrap = new BufferedReader(new InputStreamReader(node.getInputStream())).readLine();
        Objects.requireNonNull(
                bootstrap, "the node did not start: run 'ottla server-start --ephemeral' to see why");
    }

    @Override
    public void afterAll(ExtensionContext context) throws InterruptedException {
        node.destroy();
        node.waitFor();
    }
}
