package android.content.res;

import java.io.InputStream;

/** Stands for Android's. */
public abstract class AssetManager {
    public abstract InputStream open(String name);
}
