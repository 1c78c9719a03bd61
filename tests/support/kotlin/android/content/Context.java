package android.content;

import android.content.res.AssetManager;
import java.io.File;

/** Stands for Android's, of which an app takes the assets and the folder of its files. */
public abstract class Context {
    public abstract AssetManager getAssets();

    public abstract File getFilesDir();
}
